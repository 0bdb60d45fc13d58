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
  const layouts = pin.style === undefined ? (pin.after ?? []).map(layoutAfter) : LAYOUTS[pin.style];
  return layouts.some((layout) => {
    if (!path.startsWith(layout.after)) return false;
    const [first = '', ...rest] = path.slice(layout.after.length).split('/');
    const segments = [...(layout.escapedSlash === true ? first.split('%2F') : [first]), ...rest];
    return pin.allow.some((tenant) => (layout.ownerOnly !== true || !tenant.includes('/')) && covers(tenant.split('/'), segments));
  });
}

function layoutAfter(prefix: string): Layout {
  return { after: prefix.endsWith('/') ? prefix : `${prefix}/` };
}

/** `acme` covers `acme/shop/x`; the last part may carry git's `.git`. */
function covers(tenant: readonly string[], segments: readonly string[]): boolean {
  return tenant.every((part, at) => segments[at] === part || (at === tenant.length - 1 && at > 0 && segments[at] === `${part}.git`));
}
