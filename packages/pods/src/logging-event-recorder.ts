import { type EventRecorder, Logger, type PodEvent } from '@podwright/core';
import { inject, injectable } from 'inversify';

/** The default: writes every event to the logger. */
@injectable()
export class LoggingEventRecorder implements EventRecorder {
  constructor(@inject(Logger) private readonly logger: Logger) {}

  record(event: PodEvent): void {
    const { object, reason, message } = event;
    const text = `${reason}: ${message}`;
    const fields = {
      pod: `${object.namespace}/${object.name}`,
      uid: object.uid,
      ...(object.fieldPath === undefined ? {} : { fieldPath: object.fieldPath }),
    };
    if (event.type === 'Warning') this.logger.warn(text, fields);
    else this.logger.info(text, fields);
  }
}
