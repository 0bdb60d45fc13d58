/*
 * Scope: does a path name one of the tenants that a route is pinned to? Out of scope: tenants that stand in a body. Fail-safe direction:
 * a path in which no tenant is found, or one with an escape that a name does not need, names none.
 */
import type { TenantPin } from '../../core/egress-policy.ts';

interface Layout {
  /** Prefix of the path after which the tenant stands */
  readonly after: string;
  /** Stands for the whole organisation, so a pin on one repository does not cover it */
  readonly ownerOnly?: true;
  /** The first segment may carry `%2F` between the parts of the name */
  readonly escapedSlash?: true;
}

const LAYOUTS: Readonly<Record<NonNullable<TenantPin['style']>, readonly Layout[]>> = {
  github: [{ after: '/' }],
  'github-api': [{ after: '/repos/' }, { after: '/orgs/', ownerOnly: true }, { after: '/users/', ownerOnly: true }],
  gitlab: [{ after: '/' }],
  'gitlab-api': [
    { after: '/api/v4/projects/', escapedSlash: true },
    { after: '/api/v4/groups/', escapedSlash: true, ownerOnly: true },
  ],
  s3: [{ after: '/' }],
  'npm-scope': [{ after: '/', escapedSlash: true }],
};

/** Judges a normalised path. */
export function namesTenant(pin: TenantPin, path: string): boolean {
  return layoutsOf(pin).some((layout) => {
    if (!path.startsWith(layout.after)) return false;
    const [first = '', ...rest] = path.slice(layout.after.length).split('/');
    const segments = [...(layout.escapedSlash === true ? first.split('%2F') : [first]), ...rest];
    return pin.allow.some((tenant) => (layout.ownerOnly !== true || !tenant.includes('/')) && covers(tenant.split('/'), segments));
  });
}

/** The shortest paths that name a tenant of the pin. */
export function tenantPaths(pin: TenantPin): readonly string[] {
  return layoutsOf(pin).flatMap(({ after, escapedSlash }) =>
    pin.allow.map((tenant) => `${after}${escapedSlash === true ? tenant.replaceAll('/', '%2F') : tenant}`),
  );
}

function layoutsOf({ style, after = [] }: TenantPin): readonly Layout[] {
  return style === undefined ? after.map(layoutAfter) : LAYOUTS[style];
}

function layoutAfter(prefix: string): Layout {
  return { after: prefix.endsWith('/') ? prefix : `${prefix}/` };
}

/** `acme` covers `acme/shop/x`; the last part may carry git's `.git`. */
function covers(tenant: readonly string[], segments: readonly string[]): boolean {
  return tenant.every((part, at) => segments[at] === part || (at === tenant.length - 1 && at > 0 && segments[at] === `${part}.git`));
}
