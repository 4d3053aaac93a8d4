#define LANES 8
#define PRIVATE 0
#define gn_barrier()
#define EXPORT __attribute__((visibility("default")))
#define KERNEL __attribute__((noinline)) void
/* _pack (3x1x3x3) -> 1x9x1x8 */
KERNEL kernel0(const float *x0, float *y0, char *s, char *z, int t, int T) {
  (void)s; (void)z; (void)t; (void)T;
  static const int taps[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  for (long u = 9L * t / T, u_end = 9L * (t + 1) / T; u < u_end; u++) {
    long tap = u % 9, panel = u / 9 % 1, group = u / 9;
    const float *w = x0 + group * 27L + panel * 72L + taps[tap] * 1L;
    long filled = 3 - panel * 8;
    if (filled > 8) filled = 8;
    float *y = y0 + u * 8L;
    for (long k = 0; k < 1; k++, y += 8) {
      for (long i = 0; i < filled; i++) y[i] = w[k * 9 + i * 9];
      for (long i = filled; i < 8; i++) y[i] = 0;
    }
  }
}

/* _conv (2x4x4x1, 1x9x1x8, 3) -> 2x4x4x3 */
KERNEL kernel1(const float *x0, const float *x1, const float *x2, float *y0, char *s, char *z, int t, int T) {
  (void)s; (void)z; (void)t; (void)T;
  /* Unit u: image n, panel p of output channels, row r of tiles; what is read again stays in the cache. */
  for (long u = 2L * t / T, u_end = 2L * (t + 1) / T; u < u_end; u++) {
    long r = u % 1;
    long p = u % 1;
    long n = u;
    const float *w = x1 + p * 72L;
    (void)w;
    const float *image = x0 + n * 16L + 0;
    long channel = p * 8, image_out = n * 48L + channel;
    if (r < 1) {
      long i = 0 + (r - 0) * 4;
      for (long tile = 0; tile < 1; tile++) {
        long j = 0 + tile * 2;
        const float *inputs = image + (i * 4 + j * 1) * 1;
        (void)inputs;
        long out = image_out + ((i * 1 + 0) * 4 + j * 1 + 0) * 3;
        {
          vf c0_0 = {0};
          vf c1_0 = {0};
          vf c2_0 = {0};
          vf c3_0 = {0};
          vf c4_0 = {0};
          vf c5_0 = {0};
          vf c6_0 = {0};
          vf c7_0 = {0};
          {
            const float *a = inputs + -5, *b = w + 0;
            for (long k = 0; k < 1; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
              v = a[k + 13]; c7_0 += v * b0;
            }
          }
          {
            const float *a = inputs + -4, *b = w + 8;
            UNROLL(2)
            for (long k = 0; k < 2; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
              v = a[k + 12]; c6_0 += v * b0;
              v = a[k + 13]; c7_0 += v * b0;
            }
          }
          {
            const float *a = inputs + -1, *b = w + 24;
            for (long k = 0; k < 1; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 1]; c1_0 += v * b0;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
              v = a[k + 13]; c7_0 += v * b0;
            }
          }
          {
            const float *a = inputs + 0, *b = w + 32;
            UNROLL(2)
            for (long k = 0; k < 2; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 0]; c0_0 += v * b0;
              v = a[k + 1]; c1_0 += v * b0;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
              v = a[k + 12]; c6_0 += v * b0;
              v = a[k + 13]; c7_0 += v * b0;
            }
          }
          {
            const float *a = inputs + 3, *b = w + 48;
            for (long k = 0; k < 1; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 1]; c1_0 += v * b0;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
            }
          }
          {
            const float *a = inputs + 4, *b = w + 56;
            UNROLL(2)
            for (long k = 0; k < 2; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 0]; c0_0 += v * b0;
              v = a[k + 1]; c1_0 += v * b0;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
            }
          }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c0_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 0, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c1_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 3, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c2_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 12, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c3_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 15, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c4_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 24, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c5_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 27, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c6_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 36, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c7_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 39, v1, 3); }
        }
      }
      for (long tile = 0; tile < 1; tile++) {
        long j = 2 + tile * 2;
        const float *inputs = image + (i * 4 + j * 1) * 1;
        (void)inputs;
        long out = image_out + ((i * 1 + 0) * 4 + j * 1 + 0) * 3;
        {
          vf c0_0 = {0};
          vf c1_0 = {0};
          vf c2_0 = {0};
          vf c3_0 = {0};
          vf c4_0 = {0};
          vf c5_0 = {0};
          vf c6_0 = {0};
          vf c7_0 = {0};
          {
            const float *a = inputs + -5, *b = w + 0;
            UNROLL(2)
            for (long k = 0; k < 2; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
              v = a[k + 12]; c6_0 += v * b0;
              v = a[k + 13]; c7_0 += v * b0;
            }
          }
          {
            const float *a = inputs + -3, *b = w + 16;
            for (long k = 0; k < 1; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
              v = a[k + 12]; c6_0 += v * b0;
            }
          }
          {
            const float *a = inputs + -1, *b = w + 24;
            UNROLL(2)
            for (long k = 0; k < 2; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 0]; c0_0 += v * b0;
              v = a[k + 1]; c1_0 += v * b0;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
              v = a[k + 12]; c6_0 += v * b0;
              v = a[k + 13]; c7_0 += v * b0;
            }
          }
          {
            const float *a = inputs + 1, *b = w + 40;
            for (long k = 0; k < 1; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 0]; c0_0 += v * b0;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
              v = a[k + 12]; c6_0 += v * b0;
            }
          }
          {
            const float *a = inputs + 3, *b = w + 48;
            UNROLL(2)
            for (long k = 0; k < 2; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 0]; c0_0 += v * b0;
              v = a[k + 1]; c1_0 += v * b0;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 5]; c3_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
              v = a[k + 9]; c5_0 += v * b0;
            }
          }
          {
            const float *a = inputs + 5, *b = w + 64;
            for (long k = 0; k < 1; k++, b += 8) {
              vf b0 = LD(b + 0);
              float v;
              v = a[k + 0]; c0_0 += v * b0;
              v = a[k + 4]; c2_0 += v * b0;
              v = a[k + 8]; c4_0 += v * b0;
            }
          }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c0_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 0, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c1_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 3, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c2_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 12, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c3_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 15, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c4_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 24, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c5_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 27, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c6_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 36, v1, 3); }
          { vf e0 = lds(x2 + channel + 0, 3); vf v0 = c7_0 + e0; vf v1 = vrelu(v0); sts(y0 + out + 39, v1, 3); }
        }
      }
    }
  }
}

/* transpose (2x4x4x3) -> 2x3x4x4 */
KERNEL kernel2(const float *x0, float *y0, char *s, char *z, int t, int T) {
  (void)s; (void)z; (void)t; (void)T;
  for (long u = 2L * t / T, u_end = 2L * (t + 1) / T; u < u_end; u++) {
    long q = u / 1, j0 = u % 1 * 32, x = j0, y = j0 * 16L;
    (void)q;
    {
      long k = q % 2;
      q /= 2;
      x += k * 48L;
      y += k * 48L;
    }
    long n = 3 - j0;
    if (n > 32) n = 32;
    transpose(x0 + x, 16, n, 3, y0 + y, 16);
  }
}

/* softmax (2x48) -> 2x48 */
KERNEL kernel3(const float *x0, float *y0, char *s, char *z, int t, int T) {
  (void)s; (void)z; (void)t; (void)T;
  for (long r = 2L * t / T, r_end = 2L * (t + 1) / T; r < r_end; r++) {
    const float *x = x0 + r * 48L;
    float *y = y0 + r * 48L;
    vf m = set1(-INFINITY), a = {0};
    for (long c = 0; c < 48; c += 8) {
      m = vmax(m, sel((vi)(set1(1.0f) > set1(0.0f)), LD(x + c), set1(-INFINITY)));
    }
    vf top = set1(vmaximum(m));
    for (long c = 0; c < 48; c += 8) {
      vf e = (vf)((vi)(set1(1.0f) > set1(0.0f)) & (vi)vexp(LD(x + c) - top));
      a += e;
      ST(y + c, e);
    }
    vf part = set1(1.0f / vsum(a));
    for (long c = 0; c < 48; c += 8) {
      ST(y + c, LD(y + c) * part);
    }
  }
}

/* _product (2x48, 2x48, 2) -> 2x2 */
KERNEL kernel4(const float *x0, const float *x1, const float *x2, float *y0, char *s, char *z, int t, int T) {
  (void)s; (void)z; (void)t; (void)T;
  long r0 = 2L * t / T, r1 = 2L * (t + 1) / T;
  for (long r = r0 > 0 ? r0 : 0; r < (r1 < 2 ? r1 : 2); r++) {
    long j = 0 + (r - 0) * 1;
    const float *b = x1 + j * 48L;
    vf c0_0_0 = {0};
    vf c0_1_0 = {0};
    vf c1_0_0 = {0};
    vf c1_1_0 = {0};
    vf c2_0_0 = {0};
    vf c2_1_0 = {0};
    vf c3_0_0 = {0};
    vf c3_1_0 = {0};
    for (long k = 0; k < 32; k += 32) {
      {
        vf b0 = LD(b + 0 + k + 0);
        { vf a = LD(x0 + 0 + k + 0); c0_0_0 += a * b0; }
        { vf a = LD(x0 + 48 + k + 0); c0_1_0 += a * b0; }
      }
      {
        vf b0 = LD(b + 0 + k + 8);
        { vf a = LD(x0 + 0 + k + 8); c1_0_0 += a * b0; }
        { vf a = LD(x0 + 48 + k + 8); c1_1_0 += a * b0; }
      }
      {
        vf b0 = LD(b + 0 + k + 16);
        { vf a = LD(x0 + 0 + k + 16); c2_0_0 += a * b0; }
        { vf a = LD(x0 + 48 + k + 16); c2_1_0 += a * b0; }
      }
      {
        vf b0 = LD(b + 0 + k + 24);
        { vf a = LD(x0 + 0 + k + 24); c3_0_0 += a * b0; }
        { vf a = LD(x0 + 48 + k + 24); c3_1_0 += a * b0; }
      }
    }
    {
      vf b0 = LD(b + 0 + 32);
      { vf a = LD(x0 + 0 + 32); c0_0_0 += a * b0; }
      { vf a = LD(x0 + 48 + 32); c0_1_0 += a * b0; }
    }
    {
      vf b0 = LD(b + 0 + 40);
      { vf a = LD(x0 + 0 + 40); c0_0_0 += a * b0; }
      { vf a = LD(x0 + 48 + 40); c0_1_0 += a * b0; }
    }
    { vf e = set1(vsum(c0_0_0 + c1_0_0 + c2_0_0 + c3_0_0)); vf e0 = set1(x2[j + 0]); vf v0 = e + e0; y0[0 + j + 0] = v0[0]; }
    { vf e = set1(vsum(c0_1_0 + c1_1_0 + c2_1_0 + c3_1_0)); vf e0 = set1(x2[j + 0]); vf v0 = e + e0; y0[2 + j + 0] = v0[0]; }
  }
}

static void body0(void *const *a, int t, int T) {
  (void)a; (void)t; (void)T;

  /* net_conv:weights: _pack (3x1x3x3) -> 1x9x1x8 */
  kernel0((void *)((char *)a[3] + 0), (void *)((char *)a[0] + 384), (char *)a[1] + t * (size_t)PRIVATE, (char *)a[2], t, T);

  /* net_conv+net_relu: _conv (2x4x4x1, 1x9x1x8, 3) -> 2x4x4x3 */
  gn_barrier();
  kernel1((void *)((char *)a[4] + 0), (void *)((char *)a[0] + 384), (void *)((char *)a[5] + 0), (void *)((char *)a[0] + 0), (char *)a[1] + t * (size_t)PRIVATE, (char *)a[2], t, T);

  /* transpose: transpose (2x4x4x3) -> 2x3x4x4 */
  gn_barrier();
  if (t == 0) kernel2((void *)((char *)a[0] + 0), (void *)((char *)a[0] + 384), (char *)a[1], (char *)a[2], 0, 1);

  /* net_soft: softmax (2x48) -> 2x48 */
  if (t == 0) kernel3((void *)((char *)a[0] + 384), (void *)((char *)a[0] + 384), (char *)a[1], (char *)a[2], 0, 1);

  /* net_fc: _product (2x48, 2x48, 2) -> 2x2 */
  gn_barrier();
  kernel4((void *)((char *)a[0] + 384), (void *)((char *)a[6] + 0), (void *)((char *)a[7] + 0), (void *)((char *)a[8] + 0), (char *)a[1] + t * (size_t)PRIVATE, (char *)a[2], t, T);
}

EXPORT void segment0(void *const *a) { body0(a, 0, 1); }

static void body1(void *const *a, int t, int T) {
  (void)a; (void)t; (void)T;
}

EXPORT void segment1(void *const *a) { body1(a, 0, 1); }
