export interface BottleFacts {
  /** Branch that the bottle may push, without `refs/heads/` */
  readonly branch?: string;
  /** Text of the user or the project, appended */
  readonly own?: string;
}

/** What every agent is told about the bottle. */
export function instructionsText({ branch, own }: BottleFacts): string {
  const git =
    branch === undefined
      ? ['The work directory has no git repository; your changes to its files are taken out when you end.']
      : [
          `Commit your work in small commits and push it: \`git push origin HEAD:refs/heads/${branch}\`. No other branch can be pushed.`,
          'A person reviews the branch before anything leaves this machine.',
        ];
  const lines = [
    '# Your environment',
    '',
    'You run unattended in a sealed sandbox with full rights inside. Nobody answers questions: decide, do the work, and say at the end what you did.',
    ...git,
    'The network reaches only hosts that a person allowed. A refusal says so in its body and names what would allow it; report that and go on, do not retry.',
    'The keys in your environment are placeholders that work only from here; the real ones are added outside.',
    ...(own === undefined ? [] : ['', own.trim()]),
  ];
  return `${lines.join('\n')}\n`;
}
