import { ContainerModule } from 'inversify';
import { JournalReader } from './journal-reader.js';
import { JournalctlReader } from './journalctl-reader.js';

/** Binds `JournalReader`. Needs `HostExecutor` and `Logger`. */
export function journalModule(): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(JournalReader).to(JournalctlReader).inSingletonScope();
  });
}
