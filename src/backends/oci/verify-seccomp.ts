import type { OciConfig } from './oci-config.ts';
import type { SeccompProfile } from './seccomp/profile.ts';

type ConfiguredSeccomp = NonNullable<OciConfig['linux']['seccomp']>;
type ConfiguredRule = NonNullable<ConfiguredSeccomp['syscalls']>[number];

/** Says where the filter that the runtime will load differs from terok's profile; the order of rules has no meaning. */
export function seccompDifferences(found: ConfiguredSeccomp | null | undefined, expected: SeccompProfile): string[] {
  if (found == null) return ['no seccomp filter'];
  const foundRules = new Set((found.syscalls ?? []).flatMap(spellRules));
  const expectedRules = new Set(expected.syscalls.flatMap(spellRules));
  return [
    ...(found.defaultAction === expected.defaultAction && found.defaultErrnoRet === expected.defaultErrnoRet
      ? []
      : [`seccomp answers ${found.defaultAction} by default`]),
    ...(JSON.stringify(found.architectures) === JSON.stringify(expected.architectures)
      ? []
      : [`seccomp covers ${found.architectures.join(', ')}`]),
    ...(found.flags.length === 0 && found.listenerPath == null ? [] : ['seccomp has flags or a listener']),
    ...[...foundRules]
      .filter((rule) => !expectedRules.has(rule))
      .slice(0, 5)
      .map((rule) => `an additional seccomp rule: ${rule}`),
    ...[...expectedRules]
      .filter((rule) => !foundRules.has(rule))
      .slice(0, 5)
      .map((rule) => `a missing seccomp rule: ${rule}`),
  ];
}

type AnyRule = ConfiguredRule | SeccompProfile['syscalls'][number];

function spellRules(rule: AnyRule): string[] {
  const args = (rule.args ?? []).map(({ index, value, valueTwo, op }) => `${index} ${op} ${value} ${valueTwo ?? 0}`).toSorted();
  return rule.names.map((name) => [name, rule.action, rule.errnoRet ?? 0, ...args].join(' | '));
}
