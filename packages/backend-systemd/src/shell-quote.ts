/** Quotes a text for POSIX sh so that it arrives byte for byte. @see POSIX.1-2017, 2.2.2 Single-Quotes */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
