import { describe, expect, it } from 'vitest';
import { formatConf, mergeConf, parseConf } from '../../../src/backends/oci/containers-conf.ts';

describe('the private containers.conf', () => {
  it('keeps what the user has, and lets later files win key by key', () => {
    const system = parseConf('[containers]\npids_limit = 10\nenv = [\n  "A=[1]", # a bracket ]\n  "B=2",\n]\n[engine]\nruntime = "runc"\n');
    const own = parseConf('[containers]\ndefault_ulimits = []\npids_limit = 20\n');
    const merged = mergeConf(system, own);
    expect(merged.get('containers')?.get('pids_limit')).toBe('20');
    expect(merged.get('containers')?.get('default_ulimits')).toBe('[]');
    expect(merged.get('engine')?.get('runtime')).toBe('"runc"');
    expect(parseConf(formatConf(merged))).toEqual(merged);
  });

  it('carries arrays over several lines whole', () => {
    const conf = parseConf('[containers]\nenv = [\n  "A=[1",\n  "B=2",\n]\nafter = true\n');
    expect(conf.get('containers')?.get('env')).toBe('[\n"A=[1",\n"B=2",\n]');
    expect(conf.get('containers')?.get('after')).toBe('true');
  });

  it('ignores comments and empty lines', () => {
    expect(parseConf('# only\n\n#[containers]\n#x = 1\n').size).toBe(0);
  });
});
