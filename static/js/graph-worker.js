// Layout beside the page's thread: a thousand nodes must not stop a scroll.
import dagre, { graphlib, layout } from "../vendor/dagre.js";

const Graph = graphlib?.Graph ?? dagre.graphlib.Graph;
const arrange = layout ?? dagre.layout;
const MANY = 150;

onmessage = ({ data: { nodes, edges } }) => {
  const graph = new Graph();
  // The exact ranker takes twice as long above this size and looks the same.
  graph.setGraph({
    rankdir: "TB",
    nodesep: 22,
    ranksep: 42,
    edgesep: 16,
    marginx: 16,
    marginy: 16,
    ranker: nodes.length > MANY ? "tight-tree" : "network-simplex",
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of nodes) graph.setNode(id, { width, height });
  for (const { from, to } of edges) if (graph.hasNode(from) && graph.hasNode(to)) graph.setEdge(from, to);
  arrange(graph);
  const { width, height } = graph.graph();
  const places = Object.fromEntries(
    nodes.map(({ id }) => {
      const { x, y } = graph.node(id);
      return [id, { x, y }];
    }),
  );
  const paths = graph
    .edges()
    .map(({ v, w }) => ({ from: v, to: w, points: graph.edge({ v, w }).points.map(({ x, y }) => [x, y]) }));
  postMessage({ width, height, places, paths });
};
