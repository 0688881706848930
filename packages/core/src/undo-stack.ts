/** What has to be undone if a later step fails, in reverse order. */
export class UndoStack {
  private readonly steps: { readonly what: string; readonly undo: () => Promise<void> }[] = [];

  /** Call it at the moment the thing is made. @param what in words, for the error when the undoing fails */
  push(what: string, undo: () => Promise<void>): void {
    this.steps.push({ what, undo });
  }

  /** Undoes everything, goes on after failures, and tells of them. Steps below a failed one are undone as well. */
  async undo(): Promise<readonly { readonly what: string; readonly error: unknown }[]> {
    const failures: { what: string; error: unknown }[] = [];
    for (const { what, undo } of this.steps.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        failures.push({ what, error });
      }
    }
    return failures;
  }
}
