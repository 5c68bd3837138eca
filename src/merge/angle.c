#include "merge/angle.h"

#include <math.h>

#include "compute/scalar.h"

double angle_sine(double x)
{
    double sine, cosine;
    scalar_sincos64(x, &sine, &cosine);
    return sine;
}

double angle_cosine(double x)
{
    double sine, cosine;
    scalar_sincos64(x, &sine, &cosine);
    return cosine;
}

/* cos(theta) = c is sin(theta / 2)^2 = (1 - c) / 2, which keeps small angles exact. Newton from a polynomial start (Abramowitz and
 * Stegun 4.4.45, 7e-5); beyond a right angle the same of the opposite. */
double angle_of(double cosine)
{
    double c = fmin(fabs(cosine), 1), target = sqrt((1 - c) / 2);
    double half = sqrt(1 - c) * (1.5707288 + c * (-0.2121144 + c * (0.0742610 - 0.0187293 * c))) / 2;
    for (int i = 0; i < 4; i++)
        half -= (angle_sine(half) - target) / angle_cosine(half);
    return cosine < 0 ? 3.14159265358979323846 - 2 * half : 2 * half;
}
