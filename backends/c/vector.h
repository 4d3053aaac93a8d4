/* Vectors of LANES floats by the compiler's vector extensions, and the functions of them that kernels call.
   Stated errors are maxima over all floats, with FMA and without, as tests/test_c_math.py samples them. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float vf __attribute__((vector_size(4 * LANES), may_alias));
typedef float vu __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * LANES), may_alias));

#define INLINE static inline __attribute__((always_inline, unused))
#define LD(p) ((vf) * (const vu *)(p))
#define ST(p, v) (*(vu *)(p) = (vu)(v))
#ifdef __clang__
#define UNROLL(n) _Pragma(UNROLL_TEXT(unroll n))
#else
#define UNROLL(n) _Pragma(UNROLL_TEXT(GCC unroll n))
#endif
#define UNROLL_TEXT(text) #text

/* The first n lanes; the rest are 0. Called with constant n. */
INLINE vf lds(const float *p, int n) {
  vf v = {0};
  memcpy(&v, p, 4 * (size_t)n);
  return v;
}
INLINE void sts(float *p, vf v, int n) { memcpy(p, &v, 4 * (size_t)n); }

INLINE vf set1(float x) { return x - (vf){0}; }
INLINE vf sel(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf vbool(vi mask) { return (vf)(mask & (vi)set1(1.0f)); }
INLINE vf vabs(vf x) { return (vf)((vi)x & 0x7fffffff); }
INLINE vi vlane(void) {
  static const int32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  vi v;
  memcpy(&v, numbers, sizeof v);
  return v;
}

/* As NumPy: nan where either is nan. */
INLINE vf vmax(vf a, vf b) { return sel((a > b) | (a != a), a, b); }
INLINE vf vmin(vf a, vf b) { return sel((a < b) | (a != a), a, b); }
INLINE vf vrelu(vf x) { return (vf)(~(x <= set1(0.0f)) & (vi)x); }
INLINE vf vclip(vf x, float low, float high) { return vmin(vmax(x, set1(low)), set1(high)); }

#define EACH(name, call)                       \
  INLINE vf name(vf x) {                       \
    vf y;                                      \
    for (int i = 0; i < LANES; i++) y[i] = call; \
    return y;                                  \
  }
#define EACH2(name, call)                      \
  INLINE vf name(vf a, vf b) {                 \
    vf y;                                      \
    for (int i = 0; i < LANES; i++) y[i] = call; \
    return y;                                  \
  }
EACH(vsqrt, __builtin_sqrtf(x[i]))
INLINE vf vrsqrt(vf x) { return 1.0f / vsqrt(x); }

/* e^x: n = round(x / log 2), r = x - n log 2 in two steps, a polynomial in r (Cephes expf), times 2^n in two steps, so
   that results from the smallest denormal to the largest float are reached. At most 1.0 ulp. */
INLINE vf vexp(vf x) {
  vf low = set1(-104.0f), high = set1(89.0f);
  vf z = sel(x < low, low, sel(x > high, high, x));
  vf magic = set1(12582912.0f);
  vf n = z * 1.44269504088896341f + magic;
  vi k = (vi)n - (vi)magic;
  n -= magic;
  vf r = z - n * 0.693359375f;
  r -= n * -2.12194440e-4f;
  vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  vi half = k >> 1;
  p = p * (vf)((half + 127) << 23) * (vf)((k - half + 127) << 23);
  return sel(x != x, x, p);
}

/* log x: x = m 2^e with m in [sqrt(1/2), sqrt(2)), a polynomial in m - 1 (Cephes logf). At most 1.0 ulp. */
INLINE vf vlog(vf x) {
  vi tiny = x < set1(1.17549435e-38f);
  vf z = sel(tiny, x * 8388608.0f, x);
  vi bits = (vi)z;
  vi e = ((bits >> 23) & 255) - 126 - (tiny & 23);
  vf m = (vf)((bits & 0x007fffff) | 0x3f000000);
  vi less = m < set1(0.707106781186547524f);
  e += less;
  m = m - 1.0f + (vf)(less & (vi)m);
  vf n = __builtin_convertvector(e, vf);
  vf s = m * m;
  vf p = m * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  p = p * m * s;
  p += n * -2.12194440e-4f;
  p -= 0.5f * s;
  vf y = m + p + n * 0.693359375f;
  y = sel(x == set1(0.0f), set1(-INFINITY), y);
  y = sel(x < set1(0.0f), set1(NAN), y);
  return sel((x != x) | (x == set1(INFINITY)), x, y);
}

/* tanh x: x P(x^2) below 0.625 (Cephes tanhf), else 1 - 2 / (e^2x + 1). At most 1.5 ulp. */
INLINE vf vtanh(vf x) {
  vi sign = (vi)x & (int)0x80000000;
  vf a = vabs(x);
  vf big = 1.0f - 2.0f / (vexp(a * 2.0f) + 1.0f);
  vf z = a * a;
  vf p = z * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  p = p * z * a + a;
  return (vf)((vi)sel(a < set1(0.625f), p, big) | sign);
}

/* At most 2.5 ulp; what would be denormal is 0. */
INLINE vf vsigmoid(vf x) { return 1.0f / (1.0f + vexp(-x)); }

/* erf x: x + x P(x^2) below 0.9, else 1 - e^Q(|x|), where from 4 on the float below 1 rounds to 1. Both polynomials are
   weighted least-squares fits for the relative error of erf, made nearly equal by Lawson's reweighting. At most 1.3 ulp. */
INLINE vf verf(vf x) {
  vi sign = (vi)x & (int)0x80000000;
  vf a = vabs(x), t = sel(a > set1(4.0f), set1(4.0f), a);
  vf q = t * 1.98200703e-4f - 3.06549971e-3f;
  q = q * t + 2.23152488e-2f;
  q = q * t - 1.04113743e-1f;
  q = q * t - 6.36976004e-1f;
  q = q * t - 1.12779725f;
  q = q * t - 1.66439088e-4f;
  vf z = a * a;
  vf p = z * -6.09035778e-4f + 5.01196226e-3f;
  p = p * z - 2.67789084e-2f;
  p = p * z + 1.12821408e-1f;
  p = p * z - 3.76125246e-1f;
  p = p * z + 1.28379151e-1f;
  vf y = sel(a < set1(0.9f), p * a + a, 1.0f - vexp(q));
  return sel(x != x, x, (vf)((vi)y | sign));
}

EACH(vexpm1, expm1f(x[i]))
EACH(vlog1p, log1pf(x[i]))
EACH(vlog2, log2f(x[i]))
EACH(vlog10, log10f(x[i]))
EACH(vsin, sinf(x[i]))
EACH(vcos, cosf(x[i]))
EACH(vfloor, floorf(x[i]))
EACH(vceil, ceilf(x[i]))
EACH(vtrunc, truncf(x[i]))
EACH2(vpow, powf(a[i], b[i]))
/* At most 2.0 ulp. */
INLINE vf vsoftrelu(vf x) { return vmax(x, set1(0.0f)) + vlog1p(vexp(-vabs(x))); }

INLINE float vsum(vf v) {
  float s[LANES];
  ST(s, v);
  for (int n = LANES / 2; n; n /= 2)
    for (int i = 0; i < n; i++) s[i] += s[i + n];
  return s[0];
}
INLINE float vmaximum(vf v) {
  float s = v[0];
  for (int i = 1; i < LANES; i++) s = v[i] > s || v[i] != v[i] ? v[i] : s;
  return s;
}

/* b[j ldb + i] = a[i lda + j] for one block of LANES x LANES (tr_block, generated) and for any matrix. */
INLINE void tr_block(const float *a, long lda, float *b, long ldb);
static __attribute__((noinline, unused)) void transpose(const float *a, long rows, long columns, long lda, float *b, long ldb) {
  long whole = rows / LANES * LANES, wide = columns / LANES * LANES;
  for (long i = 0; i < whole; i += LANES) {
    for (long j = 0; j < wide; j += LANES) tr_block(a + i * lda + j, lda, b + j * ldb + i, ldb);
    for (long j = wide; j < columns; j++)
      for (long k = i; k < i + LANES; k++) b[j * ldb + k] = a[k * lda + j];
  }
  for (long i = whole; i < rows; i++)
    for (long j = 0; j < columns; j++) b[j * ldb + i] = a[i * lda + j];
}
