//! RSA keys that do not protect: too short, with an exponent that undoes nothing, or from chips whose primes can be
//! guessed (CVE-2017-15361, "ROCA").

const FEWEST_BITS: usize = 2048;
const MOST_BITS: usize = 8192;

/// # Errors
/// Why the key with this modulus and exponent (big-endian, no zeros before) is refused.
pub(super) fn refuse(modulus: &[u8], exponent: &[u8]) -> Result<(), String> {
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if bits < FEWEST_BITS {
        return Err(format!("has {bits} bits, and RSA keys need {FEWEST_BITS}"));
    }
    if bits > MOST_BITS {
        return Err(format!("has {bits} bits, and no RSA key needs more than {MOST_BITS}"));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if exponent == [1] || exponent.len() > 4 || !odd(exponent) || !odd(modulus) {
        return Err("has an exponent or a modulus that no RSA key has".to_owned());
    }
    if is_guessable(modulus) {
        return Err("was made by a chip whose keys can be computed (ROCA)".to_owned());
    }
    Ok(())
}

/// The chips made primes out of powers of 65537, so the modulus is such a power modulo each of the first primes (up to 701
/// in keys of 2048 bits). No honest modulus ever is by chance.
fn is_guessable(modulus: &[u8]) -> bool {
    let is_prime = |n: u32| (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    (3..=701).filter(|n| is_prime(*n)).all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            let hit = power == rest;
            power = power * 65537 % prime;
            hit
        })
    })
}
