// `npm run quickstart [-- REPOSITORY]`: installs what is missing, builds, makes the base image, and runs a task on a real
// repository in a bottle, without any account. The repository is the given one, or a small one that is made for this.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { build } from './build.mjs';
import { runOrFail, runShown, toolEnvironment } from './run-step.mjs';
import { ROOT, reportFailure, SetupError, setUp } from './setup.mjs';

const TEROK = ['node', path.join(ROOT, 'bin/terok.mjs')];

/** What an agent would do to the repository that comes with terok, as plain commands. */
const FIX = `
echo "== the tests before"; sh test.sh
echo "== at work"
cat > slug.sh <<'END'
#!/bin/sh
# Turns a title into a name for a URL: lower case, words joined by single hyphens.
printf '%s\\n' "$1" | tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]\\n' '-' | sed 's/^-//; s/-$//'
END
echo "== the tests after"; sh test.sh || exit 1
git add -A && git commit -q -m "Keep punctuation and double spaces out of a slug" && git push -q origin HEAD || exit 1
`;

/** Work on any other repository that changes nothing but one new file. */
const SURVEY = `
echo "== at work"
{ echo "# Survey"; echo; echo "$(git ls-files | wc -l) files, $(git rev-list --count HEAD) commits."; } > TEROK-SURVEY.md || exit 1
cat TEROK-SURVEY.md
git add TEROK-SURVEY.md && git commit -q -m "Survey the repository" && git push -q origin HEAD || exit 1
`;

/** Shows the wall from inside; each attempt has to fail. */
const PROBE = `
echo "== what this bottle cannot reach"
attempt() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "REACHED  $what"; exit 1; else echo "no way   $what"; fi; }
attempt "a web site (example.com)" curl -sS --max-time 5 https://example.com
attempt "an address (192.0.2.1)" curl -sS --max-time 5 http://192.0.2.1
attempt "a server on the host's loopback" curl -sS --max-time 5 "http://127.0.0.1:$HOST_PORT"
attempt "the directory of the repository on the host" ls "$HOST_DIRECTORY"
attempt "root" sh -c '[ "$(id -u)" = 0 ] || sudo -n true'
`;

try {
  await setUp();
  heading('Building terok');
  build();
  heading('Looking at this machine');
  terok('doctor');
  heading('Making the base image (once; about half a minute)');
  terok('image', 'build');
  const given = process.argv.slice(2).find((argument) => !argument.startsWith('-'));
  const repository = given === undefined ? makeRepository() : path.resolve(given);
  heading(`Running a task on ${repository}`);
  const slug = await runTask(repository, given === undefined ? FIX : SURVEY);
  heading(`The commit that came out (terok diff ${slug})`);
  terok('diff', slug);
  explain(slug, repository);
} catch (error) {
  reportFailure(error);
}

function makeRepository() {
  const directory = path.join(mkdtempSync(path.join(tmpdir(), 'terok-quickstart-')), 'slug');
  cpSync(path.join(ROOT, 'scripts/quickstart-project'), directory, { recursive: true });
  const git = ['git', '-C', directory, '-c', 'user.name=terok', '-c', 'user.email=quickstart@terok.invalid'];
  runOrFail([...git, 'init', '-q', '-b', 'main']);
  runOrFail([...git, 'add', '-A']);
  runOrFail([...git, 'commit', '-q', '-m', 'Start a project with a bug']);
  return directory;
}

/** Runs the task with its output shown, and gives its name. */
async function runTask(repository, work) {
  if (!existsSync(path.join(repository, '.git'))) throw new SetupError(`${repository} is no git repository.`);
  // A real server on this machine, so that it means something when the bottle cannot reach it.
  const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const facts = ['-e', `HOST_DIRECTORY=${repository}`, '-e', `HOST_PORT=${server.address().port}`];
    // With --json, what the task prints comes on standard error, and the outcome on standard output.
    const [program, ...args] = [...TEROK, 'run', repository, '--json', ...facts, '--', 'bash', '-c', `${work}${PROBE}`];
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], env: toolEnvironment() });
    const [text, [status]] = await Promise.all([readAll(child.stdout), once(child, 'close')]);
    if (status !== 0) throw new SetupError(`The task failed with ${status}: ${text.trim()}`);
    const outcome = JSON.parse(text);
    if (outcome.commits.length !== 1) throw new SetupError(`The task made ${outcome.commits.length} commits; one was expected.`);
    return outcome.slug;
  } finally {
    server.close();
  }
}

function explain(slug, repository) {
  heading('How to go on');
  console.log(`  node bin/terok.mjs apply ${slug}      take that commit into ${repository}, as a branch
  node bin/terok.mjs rm --force ${slug}  throw the task away

  npm link                              makes \`terok\` a command of your shell
  terok secret set anthropic            stores a key; no bottle ever sees it
  terok run . --agent claude -p "…"     lets an agent work on the repository where you are
  terok --help                          shows the rest; docs/cli.md has it in print`);
}

function heading(text) {
  console.log(`\n--- ${text}`);
}

function terok(...args) {
  const status = runShown([...TEROK, ...args]);
  if (status !== 0) throw new SetupError(`\`terok ${args.join(' ')}\` ended with ${status}.`);
}
