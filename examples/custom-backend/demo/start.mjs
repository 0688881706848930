// An agent whose pods run in another process: it starts the far side, and finds the backend by the package's name.
// node start.mjs [BACKEND OF THE FAR SIDE]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parsePod } from '@podwright/core';
import { createRuntime } from 'podwright';

const folder = await mkdtemp(join(tmpdir(), 'podwright-remote-'));
const socket = join(folder, 'far.sock');
const program = fileURLToPath(new URL('far-side.mjs', import.meta.url));
const farSide = spawn(process.execPath, [program, socket, ...process.argv.slice(2)], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
await Promise.race([once(farSide.stdout, 'data'), once(farSide, 'exit')]);

const runtime = await createRuntime(
  { backend: 'podwright-backend-remote', stateDir: join(folder, 'state'), backendOptions: { socket } },
  { resolveFrom: import.meta.url },
);
try {
  await runtime.start();
  const { runtimeName } = await runtime.version();
  console.log(`the backend is ${runtime.type}, on its far side works ${runtimeName}`);
  const { uid } = await runtime.runPod(
    parsePod({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'far-away' },
      spec: {
        restartPolicy: 'Never',
        containers: [
          {
            name: 'main',
            image: 'busybox:1.36',
            command: ['sh', '-c', 'echo hello from the far side; sleep 1000'],
          },
        ],
      },
    }),
  );
  for await (const { line } of runtime.getContainerLogs({ uid }, { follow: true })) {
    console.log(String(line));
    break;
  }
  const { stdout } = await runtime.runInContainer({ uid }, ['echo', 'a command there']);
  console.log(String(stdout).trim());
  await runtime.removePod({ uid }, { graceMs: 0 });
} finally {
  await runtime[Symbol.asyncDispose]();
  farSide.stdin.end();
  await rm(folder, { recursive: true, force: true });
}
