import { describe, expect, it } from 'vitest';
import { formatMatchRule, matchesSignal, type SignalMatch } from './match-rule.js';

const signal = { path: '/a/b', interface: 'i.f', member: 'M', body: ['first', 2] };

describe('a match', () => {
  it('is written with apostrophes, an apostrophe outside of them', () => {
    expect(formatMatchRule({ member: 'M', sender: 'a.b', arg0: "it's" })).toBe(
      "type='signal',sender='a.b',member='M',arg0='it'\\''s'",
    );
  });

  it.each<[SignalMatch, boolean]>([
    [{}, true],
    [{ path: '/a/b', interface: 'i.f', member: 'M', arg0: 'first' }, true],
    [{ path: '/a' }, false],
    [{ pathNamespace: '/a' }, true],
    [{ pathNamespace: '/a/b' }, true],
    [{ pathNamespace: '/' }, true],
    [{ pathNamespace: '/a/' }, false],
    [{ pathNamespace: '/a/bc' }, false],
    [{ interface: 'i' }, false],
    [{ member: 'N' }, false],
    [{ arg0: 'second' }, false],
  ])('%o: %s', (match, fits) => {
    expect(matchesSignal(match, signal)).toBe(fits);
  });
});
