import { describe, expect, it } from 'vitest';
import { SyntheticNames } from '../../../src/sidecars/gateway/synthetic-names.ts';

describe('SyntheticNames', () => {
  it('gives every name an address of its own in the block, above the service addresses', () => {
    const names = new SyntheticNames();
    const addresses = Array.from({ length: 4_096 }, (_, index) => names.addressOf(`n${index}.example.com`));
    expect(new Set(addresses).size).toBe(4_096);
    expect(addresses.every((address) => /^198\.1[89]\.\d{1,3}\.\d{1,3}$/.test(address) && !address.startsWith('198.18.0.'))).toBe(true);
    expect(names.nameOf(addresses[77] ?? '')).toBe('n77.example.com');
  });

  it('gives the same address again, also after a restart', () => {
    expect(new SyntheticNames().addressOf('example.com')).toBe(new SyntheticNames().addressOf('example.com'));
  });

  it('forgets the name that was used longest ago', () => {
    const names = new SyntheticNames(2);
    const first = names.addressOf('a.example');
    const second = names.addressOf('b.example');
    names.nameOf(first);
    names.addressOf('c.example');
    expect([names.nameOf(first), names.nameOf(second), names.size]).toEqual(['a.example', undefined, 2]);
  });

  it.each(['', '198.18.0.1', '127.0.0.1', '::1', '198.18.1', '198.18.1.256', '198.18.1.x'])('knows no name for %j', (address) => {
    const names = new SyntheticNames();
    names.addressOf('example.com');
    expect(names.nameOf(address)).toBeUndefined();
  });
});
