import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CliBed } from './cli.spec-helper.js';

it('serves until it is interrupted, and says where', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cli-cri-'));
  const socket = join(directory, 'cri.sock');
  await using bed = await CliBed.start();
  const cli = bed.start(['cri-server', '--backend', 'memory', '--listen', `unix://${socket}`]);
  await cli.said('is served');
  expect((await stat(socket)).isSocket()).toBe(true);
  cli.interrupt('SIGTERM');
  const { exitCode, stderr } = await cli.ended;
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(
    /info CRI v1 of the backend memory is served .*cri\.sock.*http:\/\/127\.0\.0\.1:\d+/,
  );
  await expect(stat(socket)).rejects.toMatchObject({ code: 'ENOENT' });
  await rm(directory, { recursive: true });
});

it.each([
  ['a wrong socket', ['--listen', 'tcp://1.2.3.4']],
  ['a name for an address', ['--streaming-address', 'localhost']],
  ['an unknown cgroup driver', ['--cgroup-driver', 'none']],
  ['to do without a network that the backend does not make', ['--backend', 'memory', '--no-default-network']],
])('refuses %s', async (_name, flags) => {
  await using bed = await CliBed.start();
  expect(await bed.run('cri-server', ...flags)).toMatchObject({ exitCode: 2 });
});
