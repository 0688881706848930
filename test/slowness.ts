/** How many times slower than usual this host is; times in tests are multiplied by it. */
export const slowness = Number(process.env['PODWRIGHT_TEST_SLOWNESS'] ?? 1);

/** How often to do the same thing, `count` times on a usual host: fewer where each time takes longer. */
export const fewer = (count: number): number => Math.ceil(count / slowness);
