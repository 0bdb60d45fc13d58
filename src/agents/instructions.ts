export interface BottleFacts {
  /** Branch that the bottle may push, without `refs/heads/`, where it is known */
  readonly branch?: string;
  /** Text of the user or the project, appended */
  readonly own?: string;
}

/** What every agent is told about the bottle. */
export function instructionsText({ branch, own }: BottleFacts): string {
  const only = branch === undefined ? 'the branch that you are on' : `the branch \`${branch}\``;
  const lines = [
    '# Your environment',
    '',
    'You run unattended in a sealed sandbox with full rights inside. Nobody answers questions: decide, do the work, and say at the end what you did.',
    `Commit your work in small commits and push it with \`git push\`; only ${only} can be pushed. A person reviews it before anything leaves this machine.`,
    'The network reaches only hosts that a person allowed. A refusal says so in its body and names what would allow it; report that and go on, do not retry.',
    'The keys in your environment are placeholders that work only from here; the real ones are added outside.',
    ...(own === undefined ? [] : ['', own.trim()]),
  ];
  return `${lines.join('\n')}\n`;
}
