/** A credential that the gateway adds outside the bottle. The value is read from the vault by the gateway alone. */
export type CredentialInjection = CredentialSource & CredentialPlace;

export interface CredentialSource {
  /** Name of the secret in the vault */
  readonly secret: string;
  /** The worthless token that the bottle must present in that place; without it the request is refused */
  readonly phantom: string;
  /** ISO 8601; from then on the phantom is refused. Without it, it ends with its bottle */
  readonly expiresAt?: string;
}

/** Where the credential goes in a request: exactly one of these. */
export type CredentialPlace = HeaderPlace | BasicPlace | QueryPlace | AwsPlace;

export interface HeaderPlace {
  /** Lower-case header name, for example `x-api-key` or `authorization` */
  readonly header: string;
  /** Text before the value, for example `Bearer ` */
  readonly prefix?: string;
}

export interface BasicPlace {
  /** User of `Authorization: Basic`; the secret is the password */
  readonly basicUser: string;
}

export interface QueryPlace {
  /** Name of the query parameter, for a provider that takes its key nowhere else */
  readonly queryParameter: string;
}

export interface AwsPlace {
  /** Signs the request anew with AWS Signature Version 4; the secret is `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`, the phantom an access key id */
  readonly awsSigV4: true;
}

/** A token endpoint that the gateway answers itself: the bottle gets phantoms for phantoms, the vault keeps the real tokens. */
export interface OAuthAnswer {
  /** Name of the OAuth secret in the vault */
  readonly secret: string;
  /** What the bottle must present as its refresh token */
  readonly refreshPhantom: string;
  /** What it gets as its access token; a route that injects the same secret takes it */
  readonly accessPhantom: string;
}
