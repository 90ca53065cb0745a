/** The elements as React 19 knows them. Events are listened to by `onstarted`, `onready`, `onproblem`, `onclear`, `onall`. */
import type { DetailedHTMLProps, HTMLAttributes } from "react";

type Selection = { mode: "all" } | { mode: "all_except" | "partial"; ids: readonly Record<string, unknown>[] };
type Token = () => Promise<string> | string;
type Element<P> = DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> & P;
type Common = {
  server?: string;
  token?: Token;
};
type Asks = Common & {
  of: string;
  filters?: Readonly<Record<string, unknown>>;
  onstarted?: (event: CustomEvent<string>) => void;
  onready?: (event: CustomEvent<{ job_id: string; name: string }>) => void;
  onproblem?: (event: CustomEvent<Error>) => void;
};

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "offtake-export-button": Element<Asks & { selection?: Selection; disabled?: boolean }>;
      "offtake-export-banner": Element<Asks & { selection?: Selection | { mode: "none" }; total?: number; noun?: string; onclear?: () => void; onall?: () => void }>;
      "offtake-downloads": Element<Common & { most?: number }>;
    }
  }
}
