import { Logger } from '@podwright/core';
import { ContainerModule } from 'inversify';

/** Keeps all that is logged at any level, and a module that has an agent log there. */
export class RecordingLogger implements Logger {
  readonly lines: string[] = [];

  readonly module = new ContainerModule(async ({ rebind }) => {
    (await rebind(Logger)).toConstantValue(this);
  });

  debug = (message: string, fields = {}) => this.write(message, fields);
  info = (message: string, fields = {}) => this.write(message, fields);
  warn = (message: string, fields = {}) => this.write(message, fields);
  error = (message: string, fields = {}) => this.write(message, fields);

  private write(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.lines.push(`${message} ${JSON.stringify(fields)}`);
  }
}
