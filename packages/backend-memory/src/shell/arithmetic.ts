import { ShellSyntaxError } from './syntax.js';

const PRECEDENCE: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['+', '-'],
  ['*', '/', '%'],
];

/** The value of what stands in `$((…))`: whole numbers, names, parentheses and the operators of PRECEDENCE. */
export function evaluateArithmetic(text: string, lookUp: (name: string) => string | undefined): number {
  const tokens = text.match(/\d+|[A-Za-z_]\w*|\|\||&&|[=!<>]=|[-+*/%()<>!]|\S/g) ?? [];
  let at = 0;

  const operand = (): number => {
    const token = tokens[at++];
    if (token === undefined) throw new ShellSyntaxError(`arithmetic syntax error: ${text}`);
    if (/^\d+$/.test(token)) return Number(token);
    if (/^[A-Za-z_]/.test(token)) return Number.parseInt(lookUp(token) ?? '0', 10) || 0;
    if (token === '-') return -operand();
    if (token === '!') return operand() === 0 ? 1 : 0;
    if (token === '(') {
      const value = level(0);
      if (tokens[at++] === ')') return value;
    }
    throw new ShellSyntaxError(`arithmetic syntax error: ${text}`);
  };

  const level = (index: number): number => {
    const operators = PRECEDENCE[index];
    if (!operators) return operand();
    let value = level(index + 1);
    while (operators.includes(tokens[at] ?? '')) value = apply(tokens[at++] ?? '', value, level(index + 1));
    return value;
  };

  if (tokens.length === 0) return 0;
  const value = level(0);
  if (at < tokens.length) throw new ShellSyntaxError(`arithmetic syntax error: ${text}`);
  return value;
}

function apply(operator: string, left: number, right: number): number {
  if ((operator === '/' || operator === '%') && right === 0) throw new ShellSyntaxError('divide by zero');
  const results: Readonly<Record<string, () => number | boolean>> = {
    '||': () => left !== 0 || right !== 0,
    '&&': () => left !== 0 && right !== 0,
    '==': () => left === right,
    '!=': () => left !== right,
    '<=': () => left <= right,
    '>=': () => left >= right,
    '<': () => left < right,
    '>': () => left > right,
    '+': () => left + right,
    '-': () => left - right,
    '*': () => left * right,
    '/': () => Math.trunc(left / right),
    '%': () => left % right,
  };
  return Number(results[operator]?.() ?? 0);
}
