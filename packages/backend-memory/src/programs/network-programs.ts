import type { BytePipe, ByteSink, ByteSource } from '../machine/byte-pipe.js';
import { absolutePath, FileError } from '../machine/file-tree.js';
import type { Connection } from '../machine/sandbox-network.js';
import type { Program, ProgramContext } from '../machine/simulated-process.js';
import { complain, write } from './basic-programs.js';

async function copy(context: ProgramContext, from: ByteSource, to: ByteSink): Promise<void> {
  for (;;) {
    const data = await context.process.until(from.read());
    if (!data) return;
    await context.process.until(to.write(data));
  }
}

/** Accepts connections until `serve` says that it was the last one; closes the socket when the process ends. */
async function listen(
  context: ProgramContext,
  port: number,
  serve: (connection: Connection) => Promise<'more' | 'last'>,
): Promise<number> {
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const close = context.process.table.surroundings.network.listen(port, (connection) => {
    serve(connection).then(
      (answer) => answer === 'last' && finish(),
      () => connection.outgoing.end(),
    );
  });
  if (!close) return complain(context, 'bind: Address already in use');
  void context.process.ended.then(close);
  await context.process.until(finished);
  return 0;
}

/** `nc -l -p PORT`, `nc -ll -p PORT -e PROGRAM ARGS…` and `nc HOST PORT`, as busybox has them. */
async function nc(context: ProgramContext): Promise<number> {
  const args = context.argv.slice(1);
  const at = args.indexOf('-e');
  const command = at < 0 ? undefined : args.slice(at + 1);
  const words = at < 0 ? args : args.slice(0, at);
  const listens = words.some((word) => /^-l+$/.test(word));
  const port = Number(
    listens ? words[words.indexOf('-p') + 1] : words.filter((word) => !word.startsWith('-'))[1],
  );
  if (!Number.isInteger(port)) return complain(context, 'a port is missing');
  if (!listens) {
    const connection = context.process.table.surroundings.network.connect(words[0] ?? '', port);
    return connection
      ? talk(context, connection)
      : complain(context, `can't connect to remote host: Connection refused`);
  }
  const persistent = words.includes('-ll');
  return listen(context, port, async (connection) => {
    if (!command) await talk(context, connection);
    else await serveWith(context, command, connection);
    return persistent ? 'more' : 'last';
  });
}

async function talk(context: ProgramContext, connection: Connection): Promise<number> {
  const sending = copy(context, context.stdin, connection.outgoing).then(() => connection.outgoing.end());
  sending.catch(() => connection.outgoing.end());
  await copy(context, connection.incoming, context.stdout);
  return 0;
}

async function serveWith(
  context: ProgramContext,
  command: readonly string[],
  { incoming, outgoing }: Connection,
): Promise<void> {
  const { table, pid, spec } = context.process;
  const program = table.findProgram(command[0] ?? '', context.env);
  if (program) {
    const streams = { stdin: incoming, stdout: outgoing, stderr: context.stderr };
    const { env, cwd } = context;
    const child = table.spawn(program, {
      argv: command,
      env,
      cwd,
      user: spec.user,
      parentPid: pid,
      ...streams,
    });
    await child.ended;
  } else await complain(context, `can't execute '${command[0]}': No such file or directory`);
  incoming.closeReader();
  outgoing.end();
}

/** `httpd -f -p PORT -h DIRECTORY`: answers GET with the files below the directory, one request a connection. */
async function httpd(context: ProgramContext): Promise<number> {
  const option = (name: string) => {
    const at = context.argv.indexOf(name);
    return at < 0 ? undefined : context.argv[at + 1];
  };
  if (!context.argv.includes('-f')) return complain(context, 'only httpd -f is simulated');
  const port = Number((option('-p') ?? '80').split(':').at(-1));
  const home = absolutePath(option('-h') ?? '.', context.cwd);
  return listen(context, port, async ({ incoming, outgoing }) => {
    const path = await requestedPath(context, incoming);
    const { status, body } = answer(context, home, path);
    const head = `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
    await context.process.until(outgoing.write(Buffer.concat([Buffer.from(head), body])));
    outgoing.end();
    return 'more';
  });
}

async function requestedPath(context: ProgramContext, incoming: BytePipe): Promise<string | undefined> {
  const nextLine = async () => (await context.process.until(incoming.readLine()))?.toString('utf8').trim();
  const request = /^GET (\/\S*) HTTP\/1\.[01]$/.exec((await nextLine()) ?? '');
  for (let line = await nextLine(); line; line = await nextLine());
  return request?.[1];
}

function answer(
  context: ProgramContext,
  home: string,
  path: string | undefined,
): { status: string; body: Buffer } {
  if (path === undefined)
    return { status: '501 Not Implemented', body: Buffer.from('Only GET is simulated.\n') };
  try {
    const file = absolutePath(path.endsWith('/') ? `.${path}index.html` : `.${path}`, '/');
    return {
      status: '200 OK',
      body: context.process.table.surroundings.files.readFile(absolutePath(`.${file}`, home)),
    };
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return { status: '404 Not Found', body: Buffer.from('404 Not Found\n') };
  }
}

/** `wget -q -O - http://HOST:PORT/PATH`. */
async function wget(context: ProgramContext): Promise<number> {
  const url = context.argv.find((word) => word.startsWith('http://'));
  const match = /^http:\/\/([^/:]+)(?::(\d+))?(\/.*)?$/.exec(url ?? '');
  if (!match?.[1]) return complain(context, 'only http:// addresses are simulated');
  const connection = context.process.table.surroundings.network.connect(match[1], Number(match[2] ?? 80));
  if (!connection) return complain(context, `can't connect to remote host (${match[1]}): Connection refused`);
  await write(connection.outgoing, `GET ${match[3] ?? '/'} HTTP/1.0\r\nHost: ${match[1]}\r\n\r\n`);
  const next = () => context.process.until(connection.incoming.readLine());
  const status = (await next())?.toString('utf8') ?? '';
  for (let line = await next(); line && line.toString('utf8').trim() !== ''; line = await next());
  if (!/^HTTP\/1\.[01] 200 /.test(status))
    return complain(context, `server returned error: ${status.trim()}`);
  await copy(context, connection.incoming, context.stdout);
  return 0;
}

export const networkPrograms: ReadonlyMap<string, Program> = new Map<string, Program>([
  ['nc', nc],
  ['httpd', httpd],
  ['wget', wget],
]);
