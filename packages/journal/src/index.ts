// Reading the systemd journal. Start reading at journal-reader.ts; ExportParser serves alone for exports from files.
export { ExportParser } from './export-parser.js';
export { journalModule } from './journal-module.js';
export {
  type JournalEntry,
  type JournalMatch,
  JournalReader,
  type JournalReadOptions,
  type JournalSinks,
  type JournalSyncOptions,
  type PumpResult,
} from './journal-reader.js';
export { JournalctlReader } from './journalctl-reader.js';
