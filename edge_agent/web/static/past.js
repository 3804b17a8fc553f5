// What the history says of a machine over a time.

export async function ask(machine, since, until, points) {
  const query = new URLSearchParams({ machine, since, until, points });
  return (await fetch(`/api/history?${query}`)).json();
}

// Puts nothing where nothing was kept for longer than `longest` seconds: no line is drawn through it.
export function parted({ at, ...answer }, longest) {
  const places = at.map((time, i) => i && time - at[i - 1] > longest && i).filter(Boolean).reverse();
  const insert = (column, made) => places.forEach((i) => column.splice(i, 0, made(i)));
  const before = [...at];
  insert(at, (i) => before[i - 1] + longest / 3);
  for (const part of [answer.columns, answer.low, answer.high]) for (const column of Object.values(part)) insert(column, () => null);
  return { at, ...answer };
}
