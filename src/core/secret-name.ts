/** A name in the vault, which is a file name there. */
export const SECRET_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
