/** A pod manifest. */
export interface Pod {
  readonly metadata: { readonly name: string };
}
export interface Container {
  readonly name: string;
}
export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';
