/** How many times slower than usual this host is; times in tests are multiplied by it. */
export const slowness = Number(process.env['PODWRIGHT_TEST_SLOWNESS'] ?? 1);
