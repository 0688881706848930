import { type ByteSink, type ByteSource, emptySource, nullSink, sourceOf } from './byte-pipe.js';
import { absolutePath, FileError } from './file-tree.js';
import type { SimulatedProcess } from './simulated-process.js';

interface OpenStreams {
  readonly stdin: ByteSource;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
}

const ZEROS = Buffer.alloc(4096);

/** Opens a file or one of the devices /dev/null, /dev/zero and /dev/stdin. @throws FileError */
export function openForReading(
  process: SimulatedProcess,
  path: string,
  cwd: string,
  streams: OpenStreams,
): ByteSource {
  const full = absolutePath(path, cwd);
  if (full === '/dev/null') return emptySource;
  if (full === '/dev/stdin') return streams.stdin;
  if (full === '/dev/zero') return { read: async () => ZEROS, readLine: async () => ZEROS };
  return sourceOf(process.table.surroundings.files.readFile(full));
}

/** Opens a file, made or emptied first, or /dev/null, /dev/stdout and /dev/stderr. @throws FileError */
export function openForWriting(
  process: SimulatedProcess,
  path: string,
  cwd: string,
  append: boolean,
  streams: OpenStreams,
): ByteSink {
  const full = absolutePath(path, cwd);
  if (full === '/dev/null') return nullSink;
  if (full === '/dev/stdout' || full === '/proc/self/fd/1') return streams.stdout;
  if (full === '/dev/stderr' || full === '/proc/self/fd/2') return streams.stderr;
  const { files } = process.table.surroundings;
  if (files.find(full)?.kind === 'directory') throw new FileError('EISDIR', full);
  files.write(full, Buffer.alloc(0), append);
  return { write: async (data) => files.write(full, data, true) };
}
