/*
 * Scope: the one road for git: what an inspected request to a host of a gate would write there, past the gate.
 * Out of scope: reading; what the gate itself takes. Fail-safe direction: on such a host every request that may write is refused
 * but for a short list of talk (issues, comments, opening a pull request) and fetching; what cannot be read counts as writing.
 */
import type { EgressPolicy, Route } from '../../core/egress-policy.ts';
import { isGateHost } from '../../core/forge-hosts.ts';
import { parseJson } from '../../core/parse-json.ts';
import { normalisePath } from '../../core/request-path.ts';
import type { Denied, EgressRequest } from './decide.ts';
import type { HeaderList } from './headers.ts';
import { overridesMethod } from './method-override.ts';

const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Longest body that is read to see that it only asks; the largest queries have some ten KiB */
export const MAX_QUESTION_BYTES = 256 * 1024;

const GRAPHQL = /^(?:\/api)?\/graphql$/;
const LFS_BATCH = /\/info\/lfs\/objects\/batch$/;

/** Writing that changes no repository: the path below the prefix of the API. */
const TALK: readonly RegExp[] = [
  // GitHub and Gitea
  /^\/repos\/[^/]+\/[^/]+\/(?:issues|labels|milestones|comments)(?:\/|$)/,
  /^\/repos\/[^/]+\/[^/]+\/pulls(?:\/\d+)?$/,
  /^\/repos\/[^/]+\/[^/]+\/pulls\/(?:\d+\/)?(?:comments|reviews|requested_reviewers)(?:\/|$)/,
  /^\/(?:markdown|markup)(?:\/raw)?$/,
  /^\/notifications(?:\/|$)/,
  // GitLab
  /^\/projects\/[^/]+\/(?:issues|labels|milestones)(?:\/|$)/,
  /^\/projects\/[^/]+\/merge_requests(?:\/\d+)?$/,
  /^\/projects\/[^/]+\/merge_requests\/\d+\/(?:notes|discussions|award_emoji|draft_notes)(?:\/|$)/,
  /^\/markdown$/,
];
/** Files that come with talk, and talk that GitLab takes for more than that. */
const FILES = /\/(?:assets|attachments|uploads)(?:\/|$)/;

/** Logging in with a code, and the two requests of git that only read. */
const OTHER: readonly RegExp[] = [
  /^\/login\/(?:device|oauth)(?:\/|$)/,
  /^\/oauth\/(?:token|device|authorize_device)(?:\/|$)/,
  /\/git-upload-pack$/,
];

/** `read` may pass; `question` may pass once its body was seen to ask only; `write` may not. */
export type ForgeIntent = 'read' | 'question' | 'write';

/** What a request to a forge would do, by its head. */
export function forgeIntent({ name, method, target, headers }: Pick<EgressRequest, 'name' | 'method' | 'target' | 'headers'>): ForgeIntent {
  if (namesReceivePack(target)) return 'write';
  if (overridesMethod({ target, headers })) return 'write';
  if (READING.has(method)) return 'read';
  const parsed = normalisePath(target);
  if (!parsed.ok || !['POST', 'PATCH', 'PUT', 'DELETE'].includes(method)) return 'write';
  const { path } = parsed;
  if (method === 'POST' && (GRAPHQL.test(path) || LFS_BATCH.test(path))) return 'question';
  if (method === 'POST' && OTHER.some((pattern) => pattern.test(path))) return 'read';
  const below = belowApi(name, path);
  return below !== undefined && !FILES.test(below) && TALK.some((pattern) => pattern.test(below)) ? 'read' : 'write';
}

/** Also where it is written with escapes, or as a parameter of the question which services there are. */
function namesReceivePack(target: string): boolean {
  let text = target;
  for (let round = 0; round < 3; round += 1)
    text = text.replaceAll(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return /git-receive-pack/i.test(text);
}

/** The path below the prefix of a forge's API; undefined where it is none. */
function belowApi(name: string, path: string): string | undefined {
  if (name.startsWith('api.')) return path.replace(/^\/api\/v3(?=\/)/, '');
  return /^\/api\/v[134](\/.*)$/.exec(path)?.[1];
}

/** Refuses a connection that nobody can look into. */
export function refuseUncheckedRoad(policy: EgressPolicy, name: string, route: Route): Denied | undefined {
  return route.mode === 'passthrough' && route.forgeWrites !== true && isGateHost(policy, name) ? denied(name, route) : undefined;
}

/** Refuses a request that would write. */
export function refuseForgeWrite(policy: EgressPolicy, request: EgressRequest, route: Route): Denied | undefined {
  if (route.forgeWrites === true || !isGateHost(policy, request.name)) return undefined;
  return forgeIntent(request) === 'write' ? denied(request.name, route) : undefined;
}

interface Question {
  readonly request: EgressRequest;
  readonly route: Route;
  /** All of the body; undefined where it is longer than `maxBytes` */
  readonly readBody: (maxBytes: number) => Promise<Buffer | undefined>;
}

/** Refuses a request whose body would write. */
export async function refuseForgeQuestion(policy: EgressPolicy, { request, route, readBody }: Question): Promise<Denied | undefined> {
  if (READING.has(request.method) || route.forgeWrites === true || !isGateHost(policy, request.name)) return undefined;
  if (forgeIntent(request) !== 'question') return undefined;
  const body = isPlain(request.headers) ? await readBody(MAX_QUESTION_BYTES) : undefined;
  return body !== undefined && onlyAsks(request.target, body) ? undefined : denied(request.name, route);
}

function isPlain(headers: HeaderList = []): boolean {
  const valueOf = (field: string): string | undefined => headers.find(([name]) => name === field)?.[1].toLowerCase();
  return (
    (valueOf('content-encoding') ?? 'identity') === 'identity' && /^application\/(?:[\w.+-]*\+)?json\b/.test(valueOf('content-type') ?? '')
  );
}

/** A GraphQL document without a mutation, or an LFS batch that downloads. */
export function onlyAsks(target: string, body: Buffer): boolean {
  const parsed = parseJson(body.toString('utf8'));
  if (LFS_BATCH.test(target.split('?', 1)[0] ?? '')) return fieldOf(parsed, 'operation') === 'download';
  const documents = Array.isArray(parsed) ? parsed : [parsed];
  return documents.length > 0 && documents.every((document) => isQuery(fieldOf(document, 'query')));
}

/** A field that has one spelling: some servers read `Query` for `query`. */
function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const spellings = Object.keys(value).filter((key) => key.toLowerCase() === name);
  return spellings.length === 1 && spellings[0] === name ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** Words of the language outside of strings and comments: none of them may start a mutation. A stored document has no text to look at. */
function isQuery(text: unknown): boolean {
  if (typeof text !== 'string') return false;
  const words = text.replaceAll(/"""(?:\\"""|[\s\S])*?(?:"""|$)|"(?:\\.|[^"\\\n])*"|#[^\n\r]*/g, ' ');
  return !/"/.test(words) && !/(?:^|[^\w$@.])(?:mutation|subscription)(?!\w|\s*:)/.test(words);
}

function denied(name: string, route: Route): Denied {
  return {
    allow: false,
    reason: 'gate-owned',
    message: `\`${name}\` holds repositories, which this bottle writes through its gate alone`,
    hint: `Push to the gate: \`git push origin HEAD\`; a person takes it from there. To allow writing past it, a person sets \`forgeWrites: true\` on the route \`${route.name}\`.`,
  };
}
