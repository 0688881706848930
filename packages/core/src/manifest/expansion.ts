import type { EnvVar } from '../model.js';

/**
 * Replaces `$(NAME)` by the variable's value. `$$(NAME)` stays as `$(NAME)`, and a reference to an unknown variable
 * stays as it is. Nothing in a value is expanded again.
 * Source: Kubernetes, "Define Dependent Environment Variables"; k8s.io/kubernetes third_party/forked/golang/expansion.
 * @param text any text
 * @param variables values by name
 */
export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  // Alternatives in the order that Kubernetes reads: an escaped dollar first, then a whole reference.
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (match, name: string | undefined) => {
    if (name === undefined) return '$';
    return variables.get(name) ?? match;
  });
}

/**
 * The environment of a container: each value may refer to variables that stand before it. A name that comes twice keeps
 * its first place and its last value.
 * @param env as it stands in the manifest
 * @param known variables that may be referred to, but are not part of the result
 */
export function expandEnv(
  env: readonly EnvVar[],
  known: ReadonlyMap<string, string> = new Map(),
): readonly EnvVar[] {
  const seen = new Map(known);
  const result = new Map<string, string>();
  for (const { name, value } of env) {
    const expanded = expandVariables(value, seen);
    seen.set(name, expanded);
    result.set(name, expanded);
  }
  return [...result].map(([name, value]) => ({ name, value }));
}
