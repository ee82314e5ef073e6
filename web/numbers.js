// How numbers are written: the only place for pages, and equal to what the program prints (mom/compare/number_text.h).

export const ABSENT = '–';

// As printf("%.*f"): ties go to the even digit, where toFixed goes away from zero.
export const fixed = (value, digits) => {
  const text = value.toFixed(digits), exact = Math.abs(value) < 1e15 ? value.toFixed(digits + 30) : '';
  const tie = exact.endsWith(`5${'0'.repeat(29)}`), cut = exact.slice(0, digits ? -30 : -31);
  return tie && '02468'.includes(cut.at(-1)) ? cut : text;
};

export const loss = (value) => fixed(value, Math.abs(value) < 1 ? 4 : 3);
export const percent = (part) => { const text = fixed(part * 100, 1); return `${text === '-0.0' ? '0.0' : text}%`; };
export const count = (value) => fixed(value, 0).replace(/\B(?=(\d{3})+$)/g, ',');  // 1234567 -> "1,234,567"
export const times = (value) => `${fixed(value, 2)} ×`;

const inUnits = (value, step, units, digits) => {
  let unit = 0;
  while (value >= step && unit < units.length - 1) { value /= step; unit++; }
  return fixed(value, digits(value, unit)) + units[unit];
};
export const scaled = (value) => inUnits(value, 1000, ['', ' k', ' M', ' G', ' T', ' P', ' E', ' Z'], (v, unit) => (unit ? 2 : 0));
export const bytes = (value) => inUnits(value, 1024, [' bytes', ' KiB', ' MiB', ' GiB', ' TiB'], (v, unit) => (unit && v < 100 ? 1 : 0));

// On an axis and beside a cursor: as few digits as say it.
export const short = (value, digits) => {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'];
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < prefixes.length - 1) { value /= 1000; unit++; }
  return `${+value.toPrecision(digits)}${unit ? '\u202f' + prefixes[unit] : ''}`;
};

export const duration = (seconds) => {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};
