import { render } from "hono/jsx/dom";
import { operations } from "../src/contract/operations.ts";

function App() {
  return (
    <h1 style={{ color: "red" }}>
      hi {Object.keys(operations).length}
      <svg width="10">
        <rect x={1} y={2} width={3} height={4} stroke-width="2" />
      </svg>
    </h1>
  );
}
render(<App />, document.getElementById("app")!);
