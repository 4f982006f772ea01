// Squares in groups, each laid out in rows of so many: which one lies where, seen from another.
// Counted and not measured: asking five thousand squares for their place would stop the page.

/**
 * @param key an arrow, Home or End @param i a square @param groups `{first, size}` in order, `first`
 * the square a group begins with @param columns squares to a row
 * @returns the square that the key leads to, or undefined
 */
export function towards(key, i, groups, columns) {
  const total = groups.reduce((sum, { size }) => sum + size, 0);
  const to = {
    ArrowRight: () => i + 1,
    ArrowLeft: () => i - 1,
    Home: () => 0,
    End: () => total - 1,
    ArrowDown: () => vertical(i, groups, columns, 1),
    ArrowUp: () => vertical(i, groups, columns, -1),
  }[key]?.();
  return to >= 0 && to < total ? to : undefined;
}

/** The same column in the next row, or the row's last square; rows go on in the next group. */
function vertical(i, groups, columns, way) {
  const g = groups.findIndex(({ first, size }) => i < first + size);
  const column = (i - groups[g].first) % columns;
  const row = Math.floor((i - groups[g].first) / columns) + way;
  if (row >= 0 && row < rows(groups[g], columns)) return square(groups[g], row, column, columns);
  const other = groups[g + way];
  if (!other) return undefined;
  return square(other, way > 0 ? 0 : rows(other, columns) - 1, column, columns);
}

function rows({ size }, columns) {
  return Math.ceil(size / columns);
}

function square({ first, size }, row, column, columns) {
  return first + Math.min(size - 1, row * columns + column);
}
