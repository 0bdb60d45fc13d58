import { askApproval } from '../ask-approval.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'push'>, context: CommandContext): Promise<number> {
  const { output } = context;
  const { task } = input.arguments;
  const { ref, approve, branch, title, provenance, json } = input.options;
  const api = await context.terok();
  const digest = approve ?? (await askApproval({ terok: api, task, ref, question: 'Take this to the upstream?', json }, context));
  const report = await api.push(task, {
    ...(ref === undefined ? {} : { ref }),
    ...(digest === undefined ? {} : { approve: digest }),
    ...(branch === undefined ? {} : { branch }),
    ...(title === undefined ? {} : { title }),
    provenance,
  });
  if (json) {
    output.printJson(report);
    return 0;
  }
  output.print(`${escapeText(report.host)} has ${report.commit.slice(0, 12)} on ${escapeText(report.branch)}.`);
  const { pullRequest, problem, provenanceProblem } = report;
  if (provenanceProblem !== undefined) output.remark(`The statements were not pushed: ${escapeText(provenanceProblem)}`);
  if (pullRequest !== undefined)
    output.print(`${pullRequest.created ? 'Opened' : 'There is'} pull request ${pullRequest.number}: ${escapeText(pullRequest.url ?? '')}`);
  if (problem !== undefined) output.remark(`There is no pull request: ${escapeText(problem)}`);
  return 0;
}
