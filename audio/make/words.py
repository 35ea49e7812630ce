"""The recordings that values are spoken with: numbers, digits, money, dates, letters.

`of(language)` gives a mapping from the name of a file below `audio/<language>/` to what the voice says.
"""

MONTHS = {
    "en-GB": "January February March April May June July August September October November December".split(),
    "es-ES": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),
}
WEEKDAYS = {
    "en-GB": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "es-ES": "lunes martes miércoles jueves viernes sábado domingo".split(),
}
DIGITS = {
    "en-GB": "zero one two three four five six seven eight nine".split(),
    "es-ES": "cero uno dos tres cuatro cinco seis siete ocho nueve".split(),
}
LETTERS = {
    "en-GB": "ay,bee,see,dee,ee,eff,gee,aitch,eye,jay,kay,el,em,en,oh,pee,queue,are,ess,tee,you,vee,double you,ex,why,zed",
    "es-ES": "a,be,ce,de,e,efe,ge,hache,i,jota,ka,ele,eme,ene,o,pe,cu,erre,ese,te,u,uve,uve doble,equis,i griega,zeta",
}
ENGLISH_TEENS = ("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen").split()
ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ENGLISH_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
SPANISH_TEENS = "diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve".split()
SPANISH_TWENTIES = (
    "veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
).split()
SPANISH_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
SPANISH_HUNDREDS = (
    "doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
).split()


def english_number(number):
    if number < 10:
        return DIGITS["en-GB"][number]
    if number < 20:
        return ENGLISH_TEENS[number - 10]
    if number == 100:
        return "one hundred"
    tens, one = ENGLISH_TENS[number // 10 - 2], number % 10
    return tens if one == 0 else f"{tens}-{DIGITS['en-GB'][one]}"


def english_ordinal(day):
    if day <= 20:
        return ENGLISH_ORDINALS[day - 1]
    if day == 30:
        return "thirtieth"
    return f"{ENGLISH_TENS[day // 10 - 2]}-{ENGLISH_ORDINALS[day % 10 - 1]}"


def spanish_number(number):
    if number < 10:
        return DIGITS["es-ES"][number]
    if number < 20:
        return SPANISH_TEENS[number - 10]
    if number < 30:
        return SPANISH_TWENTIES[number - 20]
    if number == 100:
        return "cien"
    tens, one = SPANISH_TENS[number // 10 - 3], number % 10
    return tens if one == 0 else f"{tens} y {DIGITS['es-ES'][one]}"


def english():
    words = {f"numbers/{n}": english_number(n) for n in range(101)}
    words |= {f"numbers/{word}": word for word in ("hundred", "thousand", "million", "and", "minus", "point")}
    words |= {f"money/{word}": word for word in "pound pounds penny pence euro euros cent cents and".split()}
    words |= {f"dates/day-{day}": english_ordinal(day) for day in range(1, 32)}
    words |= {f"dates/{word}": word for word in ("the", "of", "oh")}
    words |= {"dates/oclock": "o'clock", "dates/am": "A M", "dates/pm": "P M", "digits/hash": "hash"}
    words |= {"letters/n-tilde": "en yay", "words/and": "and", "words/or": "or"}
    return words


def spanish():
    words = {f"numbers/{n}": spanish_number(n) for n in range(101)}
    # "Uno" changes before a noun, in every number that ends in it but eleven.
    words |= {"numbers/un": "un", "numbers/una": "una", "numbers/21-un": "veintiún", "numbers/21-una": "veintiuna"}
    for tens, name in enumerate(SPANISH_TENS, start=3):
        words[f"numbers/{tens}1-un"] = f"{name} y un"
        words[f"numbers/{tens}1-una"] = f"{name} y una"
    for hundreds, name in enumerate(SPANISH_HUNDREDS, start=2):
        words[f"numbers/{hundreds}00"] = name
        words[f"numbers/{hundreds}00-f"] = name[:-2] + "as"
    words |= {"numbers/ciento": "ciento", "numbers/thousand": "mil", "numbers/million": "un millón"}
    words |= {"numbers/millions": "millones", "numbers/and": "y", "numbers/minus": "menos", "numbers/point": "coma"}
    words |= {"money/pound": "libra", "money/pounds": "libras", "money/penny": "penique", "money/pence": "peniques"}
    words |= {"money/euro": "euro", "money/euros": "euros", "money/cent": "céntimo", "money/cents": "céntimos"}
    words |= {"money/and": "con", "money/of": "de"}
    words |= {"dates/day-1": "primero"} | {f"dates/day-{day}": spanish_number(day) for day in range(2, 32)}
    words |= {"dates/of": "de", "dates/and": "y", "dates/am": "de la mañana", "dates/pm": "de la tarde"}
    words |= {"digits/hash": "almohadilla", "letters/n-tilde": "eñe", "words/and": "y", "words/or": "o"}
    return words


def of(language):
    words = {"en-GB": english, "es-ES": spanish}[language]()
    words |= {f"digits/{n}": word for n, word in enumerate(DIGITS[language])}
    words["digits/star"] = {"en-GB": "star", "es-ES": "asterisco"}[language]
    words |= {f"dates/month-{n}": name for n, name in enumerate(MONTHS[language], start=1)}
    words |= {f"dates/weekday-{n}": name for n, name in enumerate(WEEKDAYS[language], start=1)}
    words |= {f"letters/{chr(ord('a') + n)}": name for n, name in enumerate(LETTERS[language].split(","))}
    return words
