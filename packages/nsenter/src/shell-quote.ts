/** One word for a POSIX shell, byte for byte whatever is in it. @see POSIX.1-2017, 2.2.2 Single-Quotes */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
