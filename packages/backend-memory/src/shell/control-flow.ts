/** `exit`, with the code. */
export class ShellExit {
  constructor(readonly code: number) {}
}

/** `break` and `continue`. */
export class LoopControl {
  constructor(readonly kind: 'break' | 'continue') {}
}
