import { describe, expect, test } from 'vitest';
import { mergePorts, parsePublishedPort } from '../../../src/core/index.ts';

describe('parsePublishedPort', () => {
  test.each([
    ['3000', { hostPort: 3000, port: 3000 }],
    ['8080:3000', { hostPort: 8080, port: 3000 }],
    ['1', { hostPort: 1, port: 1 }],
    ['65535:65535', { hostPort: 65_535, port: 65_535 }],
  ])('%s', (text, published) => {
    expect(parsePublishedPort(text)).toEqual(published);
  });

  test.each([
    '',
    '0',
    '65536',
    '0:80',
    '80:0',
    '99999:80',
    '-1',
    '1.5',
    '80:',
    ':80',
    '127.0.0.1:80:80',
    '0.0.0.0:80',
    '80 ',
    '0x50',
    '8e1',
    '٣',
  ])('refuses `%s`', (text) => {
    expect(parsePublishedPort(text)).toBeUndefined();
  });
});

describe('mergePorts', () => {
  test('keeps each once, in order', () => {
    const [web, api] = [
      { hostPort: 3000, port: 3000 },
      { hostPort: 8080, port: 3000 },
    ];
    expect(mergePorts([web], [api, web])).toEqual([web, api]);
  });

  test('two ports of the bottle on one of the host are an error that names all three', () => {
    expect(() => mergePorts([{ hostPort: 8080, port: 80 }], [{ hostPort: 8080, port: 81 }])).toThrowError(
      /Ports 80 and 81 of the bottle both ask for port 8080 here/,
    );
  });

  test('more than 64 are refused', () => {
    const many = Array.from({ length: 65 }, (_, index) => ({ hostPort: 1000 + index, port: 1 }));
    expect(() => mergePorts(many)).toThrowError(/at most 64 published ports; got 65/);
    expect(mergePorts(many.slice(1))).toHaveLength(64);
  });
});
