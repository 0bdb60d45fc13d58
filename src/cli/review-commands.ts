import type { CommandSpec, ValueOption } from './command-spec.ts';
import { json, task } from './common-specs.ts';

const ref = {
  kind: 'value',
  placeholder: 'REF',
  description: 'Branch of the task, its main one by default',
} as const satisfies ValueOption;
const approveOption = {
  kind: 'value',
  placeholder: 'DIGEST',
  description: 'Approve the review of this digest, as `terok review` prints it',
} as const satisfies ValueOption;

/** The commands by which a person looks at the work of a task, decides, and takes it. */
export const REVIEW_COMMANDS = {
  review: {
    summary: 'Show what the work of a task makes run, its commits and its diff',
    details: [
      'First comes what would start to run somewhere because of this change: workflows, hooks, scripts, packages, build files, settings of editors and agents. Characters that hide or reorder text are shown as codes and counted.',
      'The digest at the end stands for everything that was shown. An approval is bound to it, to the branch, the commits, the tree and the policy of the task; it is used once and ends after a day.',
    ],
    arguments: { task },
    options: { ref, summary: { kind: 'flag', description: 'Leave the diff out' }, json },
  },
  approve: {
    summary: 'Approve the work of a task, for one `apply` or `push`',
    details: ['On a terminal the review is shown and you are asked. A script names the digest that it was shown.'],
    arguments: { task },
    options: {
      ref,
      review: { kind: 'value', placeholder: 'DIGEST', description: 'Digest of the review, as `terok review` prints it' },
      json,
    },
    examples: [['terok approve shop --review 3f0c2a9b1d4e5f60', 'approve what was looked at before']],
  },
  reject: {
    summary: 'Say that the work of a task is not wanted, and tell the agent why',
    details: ['The agent reads the message as a note on its commit, and when it pushes again.'],
    arguments: { task },
    options: {
      ref,
      message: { kind: 'value', short: 'm', placeholder: 'TEXT', description: 'Message to the agent; `-` reads it from standard input' },
      json,
    },
  },
  apply: {
    summary: 'Take the work of a task into your repository, as a branch',
    details: ['On a terminal the review is shown and you are asked. A script approves before, or names the digest that it was shown.'],
    arguments: { task },
    options: {
      ref,
      approve: approveOption,
      provenance: { kind: 'flag', description: 'Leave a signed statement about the commit, as a note in your repository' },
      json,
    },
  },
  push: {
    summary: 'Take the work of a task to the upstream, and open a pull request there',
    details: [
      'On a terminal the review is shown and you are asked. A script approves before, or names the digest that it was shown. The upstream and its forge are named with `terok git upstream set`.',
    ],
    arguments: { task },
    options: {
      ref,
      approve: approveOption,
      branch: { kind: 'value', placeholder: 'NAME', description: 'Branch of the upstream, that of the task by default' },
      provenance: { kind: 'flag', description: 'Push a signed statement about each commit, as notes of the upstream' },
      title: { kind: 'value', placeholder: 'TEXT', description: 'Title of the pull request, the subject of the first commit by default' },
      json,
    },
  },
} as const satisfies Record<string, CommandSpec>;
