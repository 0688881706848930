import { messageOf } from '@podwright/core';

/** What was made so far, to be undone in reverse when a later step fails. */
export class UndoStack {
  readonly #steps: { readonly what: string; readonly undo: () => Promise<unknown> }[] = [];

  /** To be called before the thing is made, so that a half-made one is undone too: `undo` has to bear that it is not there. */
  add(what: string, undo: () => Promise<unknown>): void {
    this.#steps.push({ what, undo });
  }

  /** Undoes everything, newest first; a step that fails does not stop the others. @returns what could not be undone */
  async undo(): Promise<readonly Error[]> {
    const errors: Error[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      const { what, undo } = step;
      await undo().catch((cause: unknown) => {
        errors.push(new Error(`${what} could not be undone: ${messageOf(cause)}`, { cause }));
      });
    }
    return errors;
  }
}
