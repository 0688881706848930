import { expect, it } from 'vitest';
import { hugepageSize } from './host-devices.js';

it.each([
  ['hugepages-64kB', '64KB'],
  ['hugepages-2048kB', '2MB'],
  ['hugepages-32768kB', '32MB'],
  ['hugepages-1048576kB', '1GB'],
  ['hugepages-16777216kB', '16GB'],
  ['others', undefined],
])('%s is %s', (name, size) => {
  expect(hugepageSize(name)).toBe(size);
});
