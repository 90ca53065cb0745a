/** Unfolds a `<details>` when there comes to be something in it to be seen: `<details ${opened(isFiltered)}>`. Whoever folds or unfolds it is not undone. */
import { nothing } from "lit";
import { Directive, type ElementPart, type PartInfo, PartType, directive } from "lit/directive.js";

class Opened extends Directive {
  #was = false;

  constructor(part: PartInfo) {
    super(part);
    if (part.type !== PartType.ELEMENT) throw new Error("what is unfolded is an element");
  }

  override render(_: boolean) {
    return nothing;
  }

  override update({ element }: ElementPart, [isDue]: [boolean]) {
    if (isDue && !this.#was) (element as HTMLDetailsElement).open = true;
    this.#was = isDue;
    return nothing;
  }
}

export const opened = directive(Opened);
