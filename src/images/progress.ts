/** What an image build is doing; `line` carries output of a program and is untrusted text. */
export type ImageProgress =
  | { readonly kind: 'step'; readonly layer: 'l0' | 'l1'; readonly message: string }
  | { readonly kind: 'line'; readonly layer: 'l0' | 'l1'; readonly line: string };

export type OnImageProgress = (event: ImageProgress) => void;
