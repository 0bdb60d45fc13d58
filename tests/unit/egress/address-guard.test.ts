import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkedAddress, hostAddresses } from '../../../src/sidecars/egress/address-guard.ts';

const NONE: ReadonlySet<string> = new Set();
const check = (address: string, networks: readonly string[] = []) => checkedAddress(address, networks, NONE);

describe('checkedAddress', () => {
  test.each([
    '0.0.0.0',
    '127.0.0.1',
    '127.1',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '100.100.100.200',
    '192.0.0.192',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
  ])('refuses %s', (address) => expect(check(address)).toBeUndefined());

  test.each([
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    'fec0::1',
    'ff02::1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    '2001:db8::1',
    'not an address',
    '',
    '1.2.3',
  ])('refuses %s', (address) => expect(check(address)).toBeUndefined());

  test('allows the public internet, in canonical form', () => {
    expect(check('1.1.1.1')).toBe('1.1.1.1');
    expect(check('::ffff:1.1.1.1')).toBe('1.1.1.1');
    expect(check('2606:4700:0:0::1111')).toBe('2606:4700::1111');
  });

  test('a route opens exactly its networks', () => {
    expect(check('127.0.0.1', ['127.0.0.0/8'])).toBe('127.0.0.1');
    expect(check('::ffff:127.0.0.1', ['127.0.0.0/8'])).toBe('127.0.0.1');
    expect(check('10.1.2.3', ['10.1.0.0/16'])).toBe('10.1.2.3');
    expect(check('10.2.2.3', ['10.1.0.0/16'])).toBeUndefined();
    expect(check('169.254.169.254', ['10.0.0.0/8', '127.0.0.0/8', '192.168.0.0/16'])).toBeUndefined();
    expect(check('fd00::1', ['fd00::/8'])).toBe('fd00::1');
    expect(check('64:ff9b::7f00:1', ['127.0.0.0/8'])).toBeUndefined();
  });

  test('an address of this host is not the internet', () => {
    expect(checkedAddress('8.8.4.4', [], new Set(['8.8.4.4']))).toBeUndefined();
    expect(hostAddresses()).toContain('127.0.0.1');
  });

  test('both families give the same verdict for the same address', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(check(`::ffff:${address}`)).toBe(check(address));
      }),
      { numRuns: 2_000 },
    );
  });
});
