type Method = (...args: never[]) => Promise<unknown>;

/** An API whose code is loaded with the first call: what a command does not use costs its start nothing. */
export function lazyApi<T extends { readonly [Name in keyof T]: Method }>(load: () => Promise<T>, names: readonly (keyof T)[]): T {
  let loading: Promise<T> | undefined;
  const method =
    (name: keyof T): Method =>
    async (...args) => {
      loading ??= load();
      return await (await loading)[name](...args);
    };
  return Object.fromEntries(names.map((name) => [name, method(name)])) as T;
}
