import { describe, expect, it } from 'vitest';
import { fillArgv, fillJson, fillText } from '../../../src/agents/fill-template.ts';

describe('fill-template', () => {
  it('fills what it knows and leaves other braces alone', () => {
    expect(fillText('a {x} b {y} {"json": 1}', { x: '1' })).toBe('a 1 b {y} {"json": 1}');
  });

  it('does not fill what a value brings in', () => {
    expect(fillText('{x}', { x: '{y}', y: 'secret' })).toBe('{y}');
    expect(fillArgv(['{list}', '{x}'], { list: ['{x}'] }, { x: 'value' })).toEqual(['{x}', 'value']);
  });

  it('drops an argument or member that is one absent placeholder', () => {
    expect(fillArgv(['run', '{prompt}'], {}, { prompt: undefined })).toEqual(['run']);
    expect(fillJson({ a: '{x}', '{x}': 1, b: ['{x}', 'c'] }, { x: undefined })).toEqual({ b: ['c'] });
  });
});
