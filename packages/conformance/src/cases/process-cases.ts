import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { imageEnvironment } from '../conformance-images.js';
import { exitWith, script, sleepForever } from '../workloads.js';

/** Values that have to arrive byte for byte. */
const AWKWARD = {
  QUOTES: 'a "b" \'c\' `d` \\e',
  PERCENT: '100% %n %h %%',
  DOLLAR: '$HOME $$ $(HOME) $' + '{HOME}',
  LINES: 'one\ntwo\n\n three ',
  UNICODE: 'grüße 🐳',
  EMPTY: '',
  EQUALS: 'a=b==',
};

/** Prints the variables whole, each between two marks, so that line feeds in them do no harm. */
const printVariables = (names: readonly string[]) =>
  script(names.map((name) => `printf '%s|' "$${name}"`).join('; '));

export const processCases = section('process', {
  environment: {
    title: 'environment values arrive byte for byte: quotes, %, $, line feeds, UTF-8, empty ones',
    run: async (t) => {
      const env = Object.entries(AWKWARD).map(([name, value]) => ({ name, value }));
      const { lines } = await t.runToEnd(printVariables(Object.keys(AWKWARD)), { env });
      const output = lines.map(({ text }) => text).join('\n');
      assert.deepEqual(output.split('|').slice(0, -1), Object.values(AWKWARD));
    },
  },
  'image-environment': {
    title: "the image's environment is there, and the container's wins by name",
    run: async (t) => {
      const names = Object.keys(imageEnvironment);
      const env = [{ name: 'GREETING', value: 'mine' }];
      const { lines } = await t.runToEnd(printVariables(names), { image: t.images.env, env });
      const output = lines.map(({ text }) => text).join('\n');
      assert.deepEqual(
        output.split('|').slice(0, -1),
        Object.values({ ...imageEnvironment, GREETING: 'mine' }),
      );
    },
  },
  'image-command': {
    title: "without command and args the image's entrypoint and arguments run",
    run: async (t) => {
      const { stdout } = await t.runToEnd(undefined, { image: t.images.args });
      assert.deepEqual(stdout, ['<entry>', '<cmd>', '<two words>']);
    },
  },
  'args-only': {
    title: "args alone replace the image's arguments and keep its entrypoint",
    run: async (t) => {
      const { stdout } = await t.runToEnd(undefined, { image: t.images.args, args: ['x', ''] });
      assert.deepEqual(stdout, ['<entry>', '<x>', '<>']);
    },
  },
  'command-only': {
    title: "command alone replaces the image's entrypoint and drops its arguments",
    run: async (t) => {
      const { stdout } = await t.runToEnd(['print-args', 'y'], { image: t.images.args });
      assert.deepEqual(stdout, ['<y>']);
    },
  },
  'command-and-args': {
    title: 'command and args together replace both',
    run: async (t) => {
      const { stdout } = await t.runToEnd(['print-args'], {
        image: t.images.args,
        args: ['z', '$(HOME)', '%n', 'a b'],
      });
      assert.deepEqual(stdout, ['<z>', '<$(HOME)>', '<%n>', '<a b>'], 'arguments arrive byte for byte');
    },
  },
  'no-command': {
    title: 'a container without any command is refused in words',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.noCommand);
      const config = t.containerConfig({ image: t.images.noCommand });
      const make = async () => t.service.startContainer(await t.service.createContainer(sandboxId, config));
      await t.rejects(make(), 'invalid-argument', 'container-start-failed');
    },
  },
  'working-directory': {
    title:
      "the working directory is the container's, else the image's, else /; it is made when it is missing",
    run: async (t) => {
      const image = t.images.workdir;
      assert.deepEqual((await t.runToEnd(['pwd'], { image, workingDir: '/tmp' })).stdout, ['/tmp']);
      assert.deepEqual((await t.runToEnd(['pwd'], { image })).stdout, ['/srv/app']);
      assert.deepEqual((await t.runToEnd(['pwd'])).stdout, ['/']);
    },
  },
  'image-user': {
    title: "a named user of the image has the ids and groups of the image's own passwd and group",
    run: async (t) => {
      const image = t.images.nonroot;
      const { stdout } = await t.runToEnd(script('id -u; id -g; id -G'), { image });
      const [uid, gid, groups = ''] = stdout;
      assert.deepEqual([uid, gid], ['1000', '1000']);
      assert.deepEqual(groups.split(' ').sort(), ['1000', '1500', '29']);
    },
  },
  'user-by-number': {
    title: 'user and group can be numbers that no file knows, with more groups beside',
    run: async (t) => {
      const security = { runAsUser: 4321, runAsGroup: 8765, supplementalGroups: [77, 88] };
      const { stdout } = await t.runToEnd(script('id -u; id -g; id -G'), { security });
      const [uid, gid, groups = ''] = stdout;
      assert.deepEqual([uid, gid], ['4321', '8765']);
      assert.deepEqual(groups.split(' ').sort(), ['77', '8765', '88']);
    },
  },
  'user-by-name': {
    title: "a user by name is looked up in the image's passwd",
    run: async (t) => {
      const image = t.images.nonroot;
      const security = { runAsUserName: 'root' };
      assert.deepEqual((await t.runToEnd(['id', '-u'], { image, security })).stdout, ['0']);
    },
  },
  'unknown-user': {
    title: 'a user that the image does not know is refused, naming it',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const config = t.containerConfig({ command: exitWith(0), security: { runAsUserName: 'nobody-here' } });
      const make = async () => t.service.startContainer(await t.service.createContainer(sandboxId, config));
      const error = await t.rejects(make(), 'invalid-argument', 'container-start-failed', 'not-found');
      assert.match(error.message, /nobody-here/);
    },
  },
  'run-as-non-root': {
    title: 'runAsNonRoot refuses an image without a user, and lets one with a user run',
    run: async (t) => {
      const security = { runAsNonRoot: true };
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const config = t.containerConfig({ command: exitWith(0), security });
      const make = async () => t.service.startContainer(await t.service.createContainer(sandboxId, config));
      const error = await t.rejects(
        make(),
        'invalid-argument',
        'failed-precondition',
        'container-start-failed',
      );
      assert.match(error.message, /root/i);
      const { exit } = await t.runToEnd(['true'], { image: t.images.nonroot, security });
      assert.equal(exit.exitCode, 0);
    },
  },
  'first-process': {
    title: 'the command is the first process of its container',
    run: async (t) => {
      assert.deepEqual((await t.runToEnd(script('echo $$'))).stdout, ['1']);
    },
  },
  'dev-stdout': {
    title: 'writing to /dev/stdout and /dev/stderr works, as images of web servers do',
    run: async (t) => {
      const { stdout, stderr } = await t.runToEnd(
        script('echo out > /dev/stdout; echo err > /dev/stderr; echo more'),
      );
      assert.deepEqual(stdout, ['out', 'more']);
      assert.deepEqual(stderr, ['err']);
    },
  },
  'no-input': {
    title: 'standard input of a container is empty',
    run: async (t) => {
      assert.deepEqual((await t.runToEnd(script('cat; echo end'))).stdout, ['end']);
    },
  },
  'own-files': {
    title: 'each container has files of its own, those of its image unchanged',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const first = await t.start(sandboxId, script('echo mine > /file; echo ready; sleep 100000'));
      await t.says(first, 'ready');
      const second = await t.start(sandboxId, sleepForever());
      assert.equal((await t.service.execSync(first, ['cat', '/file'])).stdout.toString(), 'mine\n');
      assert.notEqual((await t.service.execSync(second, ['cat', '/file'])).exitCode, 0);
    },
  },
  'read-only-root': {
    title: 'a read-only root takes no writes',
    run: async (t) => {
      const { stdout } = await t.runToEnd(script('touch /file 2>/dev/null && echo written || echo refused'), {
        security: { readOnlyRootFilesystem: true },
      });
      assert.deepEqual(stdout, ['refused']);
    },
  },
});
