import { refOption } from '../../core/ref-option.ts';
import type { ReviewReport } from '../../tasks/reviews-api.ts';
import { escapeText } from '../escape.ts';
import type { Output } from '../terminal/output.ts';

type Finding = ReviewReport['surface']['findings'][number];

/** Lines shown of each list; the rest is counted. All of it is in `--json`. */
const MAX_COMMITS = 30;
const MAX_FILES = 60;
const MAX_HITS = 20;
const MAX_BRANCHES = 10;

const HEADINGS: Readonly<Record<Finding['when'], string>> = {
  ci: 'runs in CI, on a forge or in a cloud',
  git: 'is run by git',
  install: 'decides what is installed',
  build: 'runs on a build, a test or a lint',
  open: 'runs when the directory or the file is opened',
  enter: 'runs when a shell or a program starts in the directory',
  agent: 'steers the next AI agent',
  use: 'runs when it is used',
};

/** What a person is shown before a decision, as lines that are safe to print. */
export function renderReview(review: ReviewReport, output: Output): readonly string[] {
  const { slug, ref, old, commitCount } = review;
  return [
    output.paint('bold', `Review of ${escapeText(slug)}: ${escapeText(ref)}, ${old.slice(0, 12)} → ${review.new.slice(0, 12)}`),
    '',
    ...renderSurface(review, output),
    ...renderHidden(review, output),
    output.paint('bold', `Commits (${commitCount})`),
    ...review.commits
      .slice(0, MAX_COMMITS)
      .map(({ id, subject, author }) => `  ${id.slice(0, 10)} ${escapeText(subject)} (${escapeText(author)})`),
    ...more(commitCount, MAX_COMMITS),
    '',
    ...renderFiles(review, output),
    ...renderDecisions(review),
    ...renderFurther(review),
    `Digest ${output.paint('bold', review.digest.slice(0, 16))} (${review.digest})`,
  ];
}

function renderSurface({ surface }: ReviewReport, output: Output): string[] {
  const count = surface.findings.length + surface.omitted;
  if (count === 0) return [`Trust surface: ${output.paint('green', 'nothing that this change makes run is known')}`, ''];
  const lines = [output.paint('yellow', `Trust surface: ${count} ${count === 1 ? 'file makes' : 'files make'} something run`)];
  let heading = '';
  for (const finding of surface.findings) {
    if (HEADINGS[finding.when] !== heading) lines.push('', output.paint('bold', `  ${(heading = HEADINGS[finding.when])}`));
    lines.push(`    ${MARKS[finding.change]} ${escapeText(finding.path)}: ${finding.runs}: ${finding.why}`);
    lines.push(...finding.details.map((detail) => output.paint('dim', `        ${escapeText(detail)}`)));
  }
  return [...lines, ...(surface.omitted === 0 ? [] : [`    … and ${surface.omitted} more`]), ''];
}

const MARKS: Readonly<Record<Finding['change'], string>> = { added: '+', modified: '~', deleted: '-' };

function renderHidden({ hidden }: ReviewReport, output: Output): string[] {
  const partial = hidden.complete ? [] : [output.paint('red', 'The diff is too long to be searched to its end for hidden characters.'), ''];
  if (hidden.count === 0) return partial;
  return [
    output.paint('red', `Hidden text: ${hidden.count} added lines hold characters that are not what they look like`),
    ...hidden.hits.slice(0, MAX_HITS).map(({ path, line, kinds }) => `    ${escapeText(path)}:${line}: ${kinds.join(', ')}`),
    ...more(hidden.count, MAX_HITS),
    '',
    ...partial,
  ];
}

function renderFiles({ files, fileCount, insertions, deletions }: ReviewReport, output: Output): string[] {
  const line = ({ path, change, insertions: plus, deletions: minus }: ReviewReport['files'][number]): string =>
    `  ${change.padEnd(11)} ${plus === undefined ? 'binary' : `+${plus} -${minus ?? 0}`.padEnd(6)}  ${escapeText(path)}`;
  return [
    output.paint('bold', `Files (${fileCount}, +${insertions} -${deletions})`),
    ...files.slice(0, MAX_FILES).map(line),
    ...more(fileCount, MAX_FILES),
    '',
  ];
}

function renderDecisions({ decisions, approval }: ReviewReport): string[] {
  const last = decisions.at(-1);
  const lines =
    approval === undefined ? [] : [`Approved by ${escapeText(approval.by.user)} at ${approval.at}, until ${approval.expiresAt}.`];
  if (last?.kind === 'rejection') lines.push(`Rejected by ${escapeText(last.by.user)} at ${last.at}: ${escapeText(last.message)}`);
  return lines;
}

function renderFurther({ slug, furtherBranches }: ReviewReport): string[] {
  const shown = furtherBranches.slice(0, MAX_BRANCHES).map((branch) => `  terok review ${slug}${refOption(slug, branch)}`);
  return shown.length === 0 ? [] : ['This is one branch of the task; the others:', ...shown, ...more(furtherBranches.length, MAX_BRANCHES)];
}

function more(count: number, shown: number): string[] {
  return count > shown ? [`  … and ${count - shown} more`] : [];
}
