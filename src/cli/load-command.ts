import type { CommandName } from './command-table.ts';
import type { CommandModule } from './context.ts';

/** One module for each command, loaded when the command is used. */
const LOADERS: { readonly [Name in CommandName]: () => Promise<CommandModule<Name>> } = {
  run: () => import('./commands/run.ts'),
  list: () => import('./commands/list.ts'),
  status: () => import('./commands/status.ts'),
  exec: () => import('./commands/exec.ts'),
  cp: () => import('./commands/cp.ts'),
  logs: () => import('./commands/logs.ts'),
  stop: () => import('./commands/stop.ts'),
  start: () => import('./commands/start.ts'),
  rm: () => import('./commands/rm.ts'),
  diff: () => import('./commands/diff.ts'),
  review: () => import('./commands/review.ts'),
  approve: () => import('./commands/approve.ts'),
  reject: () => import('./commands/reject.ts'),
  push: () => import('./commands/push.ts'),
  apply: () => import('./commands/apply.ts'),
  discard: () => import('./commands/discard.ts'),
  'image build': () => import('./commands/image-build.ts'),
  'image list': () => import('./commands/image-list.ts'),
  'image prune': () => import('./commands/image-prune.ts'),
  'secret set': () => import('./commands/secret-set.ts'),
  'secret list': () => import('./commands/secret-list.ts'),
  'secret rm': () => import('./commands/secret-rm.ts'),
  'egress show': () => import('./commands/egress-show.ts'),
  'egress sets': () => import('./commands/egress-sets.ts'),
  'egress allow': () => import('./commands/egress-allow.ts'),
  'egress deny': () => import('./commands/egress-deny.ts'),
  'egress test': () => import('./commands/egress-test.ts'),
  'egress log': () => import('./commands/egress-log.ts'),
  'egress watch': () => import('./commands/egress-watch.ts'),
  'egress questions': () => import('./commands/egress-questions.ts'),
  'egress answer': () => import('./commands/egress-answer.ts'),
  'egress resume': () => import('./commands/egress-resume.ts'),
  'egress learn': () => import('./commands/egress-learn.ts'),
  'audit verify': () => import('./commands/audit-verify.ts'),
  'backend list': () => import('./commands/backend-list.ts'),
  'agent list': () => import('./commands/agent-list.ts'),
  'redteam egress': () => import('./commands/redteam-egress.ts'),
  'redteam git': () => import('./commands/redteam-git.ts'),
  doctor: () => import('./commands/doctor.ts'),
  completions: () => import('./commands/completions.ts'),
  'git upstream': () => import('./commands/git-upstream.ts'),
  'git key': () => import('./commands/git-key.ts'),
  'git sync': () => import('./commands/git-sync.ts'),
  'config show': () => import('./commands/config-show.ts'),
};

export async function loadCommand<Name extends CommandName>(name: Name): Promise<CommandModule<Name>> {
  return await LOADERS[name]();
}
