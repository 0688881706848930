import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { podBandwidth } from './bandwidth.js';

const INGRESS = 'kubernetes.io/ingress-bandwidth';
const EGRESS = 'kubernetes.io/egress-bandwidth';

describe('podBandwidth', () => {
  it.each([
    [{}, undefined],
    [{ [INGRESS]: '10M' }, { ingressRate: 10_000_000, ingressBurst: 4_294_967_295 }],
    [{ [EGRESS]: '1Mi' }, { egressRate: 1_048_576, egressBurst: 4_294_967_295 }],
    [
      { [INGRESS]: '1k', [EGRESS]: '1P', other: 'x' },
      {
        ingressRate: 1_000,
        ingressBurst: 4_294_967_295,
        egressRate: 1_000_000_000_000_000,
        egressBurst: 4_294_967_295,
      },
    ],
  ])('%j is %j in bits', (annotations, expected) => expect(podBandwidth(annotations)).toEqual(expected));

  it.each(['fast', '', '0', '999', '-1M', '2P'])('refuses "%s"', (text) => {
    expect(() => podBandwidth({ [EGRESS]: text })).toThrow(
      expect.toSatisfy(
        (error) => PodwrightError.is(error, 'invalid-argument') && error.message.includes(EGRESS),
      ),
    );
  });
});
