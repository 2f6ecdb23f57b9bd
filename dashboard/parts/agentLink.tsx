// Who it is that has something, with the way to what else is known of it.

import { linkTo } from "../route.ts";

export function AgentLink({ id }: { id: string | null }) {
  return id === null ? <>–</> : <a href={linkTo("agents", { open: id })}>{id}</a>;
}
